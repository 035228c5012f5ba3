"""Lay the picture of hosts, bridges and containers out, and draw it as SVG.

A layout of boxes in boxes and one bus a network is plain arithmetic; a graph layouter (Graphviz) would
have to be installed, and does not keep hosts side by side above their switch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from runbook_lib.report.environment import templates

if TYPE_CHECKING:
    from runbook_lib.report.topology import Bridge, Card, Container, Host, Picture

__all__ = ["draw"]

_MOST = 6  # containers drawn in a row; the words below the picture name all
_BOX, _BOX_HIGH, _GAP, _ABOVE, _PAD = 158, 84, 56, 18, 16
_BAR, _HEAD, _CARD, _BETWEEN = 40, 50, 46, 72  # heights, and the space between two hosts


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
    places: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    cards: dict[tuple[str, str], float] = field(default_factory=dict)

    def box(self, css: str, area: _Area, told: str = "") -> None:
        """Add a box; `told` is shown when it is pointed at."""
        self.boxes.append({"css": css, "area": area, "told": told})

    def line(self, css: str, x: float, y: float, x2: float, y2: float) -> None:
        """Add a line."""
        self.lines.append({"css": css, "x": x, "y": y, "x2": x2, "y2": y2})

    def label(self, css: str, x: float, y: float, text: str, most: int = 99) -> None:
        """Add a text of at most so many characters."""
        self.labels.append({"css": css, "x": x, "y": y, "text": _fit(text, most)})


def draw(picture: Picture) -> Markup:
    """Return the picture as an SVG element."""
    canvas = _Canvas()
    order = {way.source[1]: -way.number for way in picture.ways} | {
        way.target[1]: 0 for way in picture.ways if way.number == 1
    }
    columns = [_rows(host, order, mirrored=number > 0) for number, host in enumerate(picture.hosts)]
    widths = [_width(host, rows) for host, rows in zip(picture.hosts, columns, strict=True)]
    high = _HEAD + max(sum(map(_row_high, rows)) for rows in columns) + _CARD
    left = float(_PAD)
    for host, rows, wide in zip(picture.hosts, columns, widths, strict=True):
        _draw_host(canvas, host, rows, _Area(left, _PAD, wide, high))
        left += wide + _BETWEEN
    whole = left - _BETWEEN + _PAD
    bottom = _draw_networks(canvas, picture, _PAD + high, whole)
    _draw_ways(canvas, picture)
    svg = templates.get_template("topology.svg.j2").render(
        canvas=canvas, wide=whole, high=bottom + _PAD, picture=picture
    )
    return Markup(svg)  # noqa: S704 - made by our own template, which escapes


def _rows(
    host: Host, order: dict[str, int], *, mirrored: bool
) -> list[tuple[Bridge | None, list[Container]]]:
    """Return the host's rows, top to bottom: bridges that lead out lowest, next to their cards.

    A PING runs from right to left: the ambassador stands right on the first host, left on the others.
    """

    def place(item: Container) -> int:
        if item.name not in order:
            return 99
        return (0 if item.ambassador else 1) if mirrored else (1 if item.ambassador else 0)

    rows: list[tuple[Bridge | None, list[Container]]] = [
        (bridge, sorted(bridge.containers, key=place)) for bridge in host.bridges
    ]
    rows.sort(key=lambda row: (bool(row[0] and row[0].cards), not any(c.name in order for c in row[1])))
    return [*([(None, host.apart)] if host.apart else []), *rows]


def _width(host: Host, rows: list[tuple[Bridge | None, list[Container]]]) -> int:
    most = max([2, *(min(len(containers), _MOST) for _, containers in rows), len(host.cards)])
    return most * (_BOX + _GAP) - _GAP + 2 * _PAD


def _row_high(row: tuple[Bridge | None, list[Container]]) -> int:
    bridge, containers = row
    return (_BOX_HIGH + _ABOVE if containers else 0) + (_BAR + _ABOVE if bridge else 0)


def _draw_host(
    canvas: _Canvas,
    host: Host,
    rows: list[tuple[Bridge | None, list[Container]]],
    area: _Area,
) -> None:
    left, top = area.x, area.y
    canvas.box("host", area)
    canvas.label("name", left + _PAD, top + 22, host.name, 40)
    told = f"{host.address}{f', practice host, lab {host.lab}' if host.lab else ''}"
    canvas.label("small", left + _PAD, top + 39, told, 60)
    card_top = top + area.high - _CARD + 8
    places = _draw_cards(canvas, host, left, card_top)
    inset, y = 0.0, top + _HEAD
    for bridge, containers in rows:
        bar = y + (_BOX_HIGH + _ABOVE if containers else 0)
        for number, container in enumerate(containers[:_MOST]):
            x = left + _PAD + number * (_BOX + _GAP)
            _draw_container(canvas, host, container, x, y)
            if bridge:
                canvas.line("wire", x + _BOX / 2, y + _BOX_HIGH, x + _BOX / 2, bar)
        if len(containers) > _MOST:
            canvas.label("small", left + _PAD, y - 4, f"and {len(containers) - _MOST} more: see the words")
        if bridge:
            right = left + area.wide - _PAD - inset
            _draw_bridge(canvas, bridge, left + _PAD, bar, right)
            for card in bridge.cards:
                # Bridges further down are narrower, so that this wire passes them.
                at = places.get(card, right - 8)
                at = at if at < right else right - 8
                canvas.line("wire", at, bar + _BAR, at, card_top)
            inset += _PAD if bridge.cards else 0
        y += _row_high((bridge, containers))


def _draw_container(canvas: _Canvas, host: Host, item: Container, x: float, y: float) -> None:
    kind = "ambassador" if item.ambassador else "container"
    stopped = "" if item.state in {"running", ""} else " stopped"
    told = f"{item.name}, {item.image or 'image not told'}, {item.state}: {', '.join(item.addresses)}"
    canvas.box(f"{kind}{stopped}", _Area(x, y, _BOX, _BOX_HIGH), told)
    canvas.label("strong", x + 8, y + 19, item.name, 20)
    canvas.label("small", x + 8, y + 36, kind if item.ambassador else (item.image or "container"), 24)
    canvas.label("mono", x + 8, y + 54, ", ".join(item.addresses) or item.state or "no address", 20)
    if item.ports:
        canvas.label("mono", x + 8, y + 71, f"-p {', '.join(item.ports)}", 20)
    canvas.places[host.name, item.name] = (x, y)


def _draw_bridge(canvas: _Canvas, bridge: Bridge, left: float, top: float, right: float) -> None:
    canvas.box("bridge", _Area(left, top, right - left, _BAR), f"bridge {bridge.name}")
    network = f" (network {bridge.network})" if bridge.network else ""
    canvas.label("strong", left + 10, top + 17, f"{bridge.name}{network}", 42)
    ports = [*bridge.cards, *([f"{bridge.veths} veth"] if bridge.veths else [])]
    told = f"{', '.join(bridge.addresses) or 'no address'}; ports: {', '.join(ports) or 'none'}"
    canvas.label("mono", left + 10, top + 33, told, 46)


def _draw_cards(canvas: _Canvas, host: Host, left: float, top: float) -> dict[str, float]:
    middles = {}
    for number, card in enumerate(host.cards):
        x = left + _PAD + number * (_BOX + _GAP)
        canvas.box("card", _Area(x, top, _BOX, 30), _card_told(card))
        canvas.label(
            "mono", x + 8, top + 19, f"{card.name} {card.addresses[0] if card.addresses else ''}", 20
        )
        middles[card.name] = x + _BOX / 2
        canvas.cards[host.name, card.name] = x + _BOX / 2
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
            at = canvas.cards[host.name, card.name]
            canvas.line("wire", at, bottom - 8, at, y)
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
        (x, y), (x2, y2) = canvas.places[way.source], canvas.places[way.target]
        start, end = (x, x2 + _BOX) if x2 < x else (x + _BOX, x2)
        canvas.ways.append(
            {
                "css": "holds" if way.holds else "breaks",
                "d": f"M{start:g},{y + 26:g} L{end:g},{y2 + 26:g}",
                "x": (start + end) / 2,
                "y": (y + y2) / 2 + 26,
                "told": f"hop {way.number}: {way.what}: {'PONG' if way.holds else 'no PONG'}",
                "mark": f"{way.number} {'✓' if way.holds else '✗'}",
            }
        )


def _fit(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
