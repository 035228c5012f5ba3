"""Lay the picture of hosts, bridges and containers out, and draw it as SVG.

A layout of boxes in boxes and one bar a network is plain arithmetic; a graph layouter (Graphviz) would
have to be installed, and does not keep hosts side by side above their switch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from runbook_lib.report.jinja_environment import templates

if TYPE_CHECKING:
    from runbook_lib.report.topology import Bridge, Card, Container, Host, Picture

__all__ = ["draw"]

_MOST = 9  # containers drawn on a host; the words below the picture name all
_PAD, _GAP = 16, 56  # around, and between two containers of a row: an arrow fits
_BOX, _LANE, _BOX_HIGH, _ROW = 158, 30, 84, 104  # a container, the lane beside it for wires from above
_HEAD, _STRIP, _BAR, _BAR_ROW, _CARD, _BETWEEN = 50, 22, 40, 56, 46, 72


@dataclass(frozen=True)
class _Area:
    """A rectangle, in the picture's units."""

    x: float
    y: float
    wide: float
    high: float


@dataclass
class _Canvas:
    """Shapes in the order they are drawn, and where containers and cards ended up."""

    boxes: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    ways: list[dict[str, Any]] = field(default_factory=list)
    places: dict[tuple[str, str], _Area] = field(default_factory=dict)
    cards: dict[tuple[str, str], float] = field(default_factory=dict)

    def box(self, css: str, area: _Area, told: str = "") -> None:
        """Add a box; `told` is shown when it is pointed at."""
        self.boxes.append({"css": css, "area": area, "told": told})

    def wire(self, x: float, y: float, y2: float) -> None:
        """Add a wire, straight down; it runs behind the boxes."""
        self.lines.append({"x": x, "y": y, "y2": y2})

    def label(self, css: str, x: float, y: float, text: str, most: int = 99) -> None:
        """Add a text of at most so many characters."""
        shown = text if len(text) <= most else f"{text[: most - 1]}…"
        self.labels.append({"css": css, "x": x, "y": y, "text": shown})


@dataclass(frozen=True)
class _Column:
    """A host's contents, ordered and measured.

    Args:
        rows: Containers, those on the way of a PING in the first row.
        stopped: Names of containers that do not run.
        bridges: Top to bottom: those that lead out lowest, next to their cards.
    """

    host: Host
    rows: list[list[Container]]
    stopped: list[str]
    bridges: list[Bridge]
    left_out: int

    @property
    def wide(self) -> int:
        """Width of the host's box."""
        columns = max(2, len(self.host.cards), *map(len, self.rows))
        return columns * (self.box(0) + _GAP) - _GAP + 2 * _PAD

    @property
    def high(self) -> int:
        """Height of the host's box."""
        strip = _STRIP if self.stopped or self.left_out else 0
        return _HEAD + strip + len(self.rows) * _ROW + len(self.bridges) * _BAR_ROW + _CARD

    def box(self, row: int) -> int:
        """Return the width of a row's boxes: each has a lane more than the row below, where its wires run."""
        return _BOX + _LANE * max(len(self.rows) - 1 - row, 0)


def draw(picture: Picture) -> Markup:
    """Return the picture as an SVG element."""
    canvas = _Canvas()
    columns = [_column(picture, host) for host in picture.hosts]
    high = max(column.high for column in columns)
    left = _PAD
    for column in columns:
        _draw_host(canvas, column, _Area(left, _PAD, column.wide, high))
        left += column.wide + _BETWEEN
    wide = left - _BETWEEN + _PAD
    bottom = _draw_networks(canvas, picture, _PAD + high, wide)
    _draw_ways(canvas, picture)
    svg = templates.get_template("topology.svg.j2").render(
        canvas=canvas, wide=wide, high=bottom + _PAD, picture=picture
    )
    return Markup(svg)  # noqa: S704 - made by our own template, which escapes


def _column(picture: Picture, host: Host) -> _Column:
    """Order a host's contents so that a PING runs from right to left, the server's host being the first."""
    stations = [station for way in reversed(picture.ways) for station in (way.target, way.source)]
    on_way = list(dict.fromkeys(name for place, name in stations if place == host.name))
    running = [item for item in host.containers if item.running]
    running.sort(key=lambda item: on_way.index(item.name) if item.name in on_way else len(on_way))
    shown = running[:_MOST]
    across = max(2, math.ceil(math.sqrt(len(shown))), len(on_way))
    rows = [shown[start : start + across] for start in range(0, len(shown), across)]
    bridges = sorted(host.bridges, key=lambda bridge: (bool(bridge.cards), -len(bridge.containers)))
    stopped = [item.name for item in host.containers if not item.running]
    return _Column(host, rows, stopped, bridges, len(running) - len(shown))


def _draw_host(canvas: _Canvas, column: _Column, area: _Area) -> None:
    host, left = column.host, area.x + _PAD
    canvas.box("host", area)
    canvas.label("name", left, area.y + 22, host.name, 40)
    lab = f", practice host, lab {host.lab}" if host.lab else ""
    canvas.label("small", left, area.y + 39, f"{host.address}{lab}", 60)
    top = area.y + _HEAD
    if column.stopped or column.left_out:
        told = [f"stopped: {', '.join(column.stopped)}"] if column.stopped else []
        told += [f"and {column.left_out} more, see the words"] if column.left_out else []
        canvas.label("small", left, top + 10, "; ".join(told), int(area.wide / 7))
        top += _STRIP
    # Bars stand on the ground, so that those of hosts with fewer containers are level with the others'.
    bars = area.y + area.high - _CARD - len(column.bridges) * _BAR_ROW
    _draw_containers(canvas, column, left, top, bars)
    _draw_bridges(canvas, column, area, bars)


def _draw_containers(canvas: _Canvas, column: _Column, left: float, top: float, bars: float) -> None:
    pitch = column.box(0) + _GAP
    for number, row in enumerate(column.rows):
        y = top + number * _ROW
        for place, item in enumerate(row):
            area = _Area(left + place * pitch, y, column.box(number), _BOX_HIGH)
            _draw_container(canvas, column.host, item, area)
            joined = [at for at, bridge in enumerate(column.bridges) if item.name in bridge.containers]
            for lane, bar in enumerate(joined):
                canvas.wire(area.x + area.wide - 10 - 11 * lane, y + _BOX_HIGH, bars + bar * _BAR_ROW)


def _draw_container(canvas: _Canvas, host: Host, item: Container, area: _Area) -> None:
    told = f"{item.name}, {item.image or 'image not told'}, {item.state}: {', '.join(item.addresses)}"
    canvas.box("ambassador" if item.ambassador else "container", area, told)
    x, y = area.x + 8, area.y
    canvas.label("strong", x, y + 19, item.name, 20)
    canvas.label("small", x, y + 36, item.image or "image not told", 24)
    published = f"-p {', '.join(item.ports)}" if item.ports else ""
    lines = [*(item.addresses or ["no address"])][: 1 if published else 2]
    for number, line in enumerate([*lines, *([published] if published else [])]):
        canvas.label("mono", x, y + 54 + 17 * number, line, 20)
    canvas.places[host.name, item.name] = area


def _draw_bridges(canvas: _Canvas, column: _Column, area: _Area, top: float) -> None:
    left, inset = area.x + _PAD, 0
    ground = area.y + area.high - _CARD + 8
    cards = _draw_cards(canvas, column.host, left, ground)
    for number, bridge in enumerate(column.bridges):
        y = top + number * _BAR_ROW
        right = area.x + area.wide - _PAD - inset
        _draw_bridge(canvas, bridge, _Area(left, y, right - left, _BAR))
        for card in bridge.cards:
            canvas.wire(cards[card], y + _BAR, ground)
        # Bars further down are shorter, so that the wires of those above can be followed.
        inset += _PAD if bridge.cards else 0


def _draw_bridge(canvas: _Canvas, bridge: Bridge, area: _Area) -> None:
    canvas.box("bridge", area, f"bridge {bridge.name}")
    network = f" (network {bridge.network})" if bridge.network else ""
    canvas.label("strong", area.x + 10, area.y + 17, f"{bridge.name}{network}", 42)
    ports = [*bridge.cards, *([f"{bridge.veths} veth"] if bridge.veths else [])]
    told = f"{', '.join(bridge.addresses) or 'no address'}; ports: {', '.join(ports) or 'none'}"
    canvas.label("mono", area.x + 10, area.y + 33, told, 46)


def _draw_cards(canvas: _Canvas, host: Host, left: float, top: float) -> dict[str, float]:
    middles = {}
    for number, card in enumerate(host.cards):
        area = _Area(left + number * (_BOX + _GAP), top, _BOX, 30)
        canvas.box("card", area, _card_told(card))
        canvas.label("mono", area.x + 8, top + 19, " ".join([card.name, *card.addresses]), 20)
        middles[card.name] = canvas.cards[host.name, card.name] = area.x + _BOX / 2
    return middles


def _card_told(card: Card) -> str:
    return f"card {card.name}, {card.state}" + (f", port of {card.bridge}" if card.bridge else "")


def _draw_networks(canvas: _Canvas, picture: Picture, bottom: float, wide: float) -> float:
    """Draw one bar a physical network below the hosts, and return the lower edge of the last."""
    y = bottom
    for subnet in picture.subnets:
        y += 40
        members = [(host, card) for host in picture.hosts for card in host.cards if card.subnet == subnet]
        for host, card in members:
            canvas.wire(canvas.cards[host.name, card.name], bottom - 8, y)
        canvas.box("switch", _Area(_PAD, y, wide - 2 * _PAD, 34), f"physical network {subnet}")
        joined = ", ".join(f"{host.name} {card.name}" for host, card in members)
        canvas.label("strong", 2 * _PAD, y + 22, f"physical network {subnet}: {joined}", int(wide / 8))
        y += 34
    return y


def _draw_ways(canvas: _Canvas, picture: Picture) -> None:
    """Draw the way of a PING: an arrow a hop, from the container that asked to the one that answered."""
    for way in picture.ways:
        both = way.source in canvas.places and way.target in canvas.places
        if not both or way.source == way.target:
            continue
        source, target = canvas.places[way.source], canvas.places[way.target]
        leftwards = target.x < source.x
        start = source.x if leftwards else source.x + source.wide
        end = target.x + target.wide if leftwards else target.x
        canvas.ways.append(
            {
                "css": "holds" if way.holds else "breaks",
                "d": f"M{start:g},{source.y + 26:g} L{end:g},{target.y + 26:g}",
                "x": (start + end) / 2,
                "y": (source.y + target.y) / 2 + 26,
                "told": f"{way.what}: {'PONG' if way.holds else 'no PONG'}",
                "mark": f"{way.number} {'✓' if way.holds else '✗'}",
            }
        )
