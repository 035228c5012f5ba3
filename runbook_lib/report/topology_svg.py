"""Draw a topology as an SVG diagram.

The layout, nested boxes and one bar per network, is plain arithmetic. A program for graph layout such as Graphviz would
have to be installed, and does not keep hosts next to each other above their switch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from runbook_lib.report.jinja_environment import templates
from runbook_lib.report.topology_text import address_labels

if TYPE_CHECKING:
    from runbook_lib.report.topology_model import Bridge, Container, Host, Interface, Topology

__all__ = ["draw"]

_MAX_CONTAINERS = 8  # drawn per host; the text description lists all of them
_SCALED = (
    1500  # width up to which a diagram is made to fit the page; of a wider one the text would be too small
)
_PAD, _GAP = 16, 56  # around boxes; between two containers of a row, with room for an arrow
_BOX, _LANE, _BOX_HIGH, _ROW = 158, 30, 84, 104  # a container, and the lane next to it for wires from above
_HEAD, _STRIP, _BAR, _BAR_ROW, _INTERFACE, _BETWEEN = 50, 22, 40, 56, 46, 72


@dataclass(frozen=True)
class _Area:
    """A rectangle, in the diagram's units."""

    x: float
    y: float
    wide: float
    high: float


@dataclass
class _Canvas:
    """Shapes in the order in which they are drawn, and the positions of containers and interfaces."""

    boxes: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    hops: list[dict[str, Any]] = field(default_factory=list)
    containers: dict[tuple[str, str], _Area] = field(default_factory=dict)
    interfaces: dict[tuple[str, str], float] = field(default_factory=dict)

    def box(self, css: str, area: _Area, tooltip: str = "") -> None:
        """Add a box."""
        self.boxes.append({"css": css, "area": area, "tooltip": tooltip})

    def wire(self, x: float, y: float, y2: float) -> None:
        """Add a vertical wire behind the boxes."""
        self.lines.append({"x": x, "y": y, "y2": y2})

    def label(self, css: str, x: float, y: float, text: str, longest: int = 99) -> None:
        """Add a text, cut to a number of characters."""
        shown = text if len(text) <= longest else f"{text[: longest - 1]}…"
        self.labels.append({"css": css, "x": x, "y": y, "text": shown})


@dataclass(frozen=True)
class _Column:
    """The contents of a host in the order in which they are drawn.

    Args:
        rows: Containers; those on the path of a PING, if there are any, have the first row for themselves: an arrow to
            another host would cross the others.
        stopped: Names of containers that are not running.
        bridges: From top to bottom; those with outer interfaces are at the bottom, next to the interfaces.
        omitted: Number of running containers that are not drawn.
    """

    host: Host
    rows: list[list[Container]]
    stopped: list[str]
    bridges: list[Bridge]
    omitted: int

    @property
    def wide(self) -> int:
        """Width of the host's box."""
        columns = max(2, len(self.host.interfaces), *map(len, self.rows))
        return columns * (self.box(0) + _GAP) - _GAP + 2 * _PAD

    @property
    def high(self) -> int:
        """Height of the host's box."""
        strip = _STRIP if self.stopped or self.omitted else 0
        return _HEAD + strip + len(self.rows) * _ROW + len(self.bridges) * _BAR_ROW + _INTERFACE

    def box(self, row: int) -> int:
        """Return the width of a row's boxes: each row has one lane for wires more than the row below it."""
        return _BOX + _LANE * max(len(self.rows) - 1 - row, 0)


def draw(topology: Topology) -> Markup:
    """Return the diagram as an SVG element."""
    canvas = _Canvas()
    across = 2 if len(topology.hosts) > 1 else 3
    columns = [_column(topology, host, across) for host in topology.hosts]
    high = max(column.high for column in columns)
    left = _PAD
    for column in columns:
        _draw_host(canvas, column, _Area(left, _PAD, column.wide, high))
        left += column.wide + _BETWEEN
    wide = left - _BETWEEN + _PAD
    bottom = _draw_networks(canvas, topology, _PAD + high, wide)
    _draw_hops(canvas, topology)
    svg = templates.get_template("topology.svg.j2").render(
        canvas=canvas, wide=wide, scaled=wide <= _SCALED, high=bottom + _PAD, topology=topology
    )
    return Markup(svg)  # noqa: S704 - made by our own template, which escapes


def _column(topology: Topology, host: Host, across: int) -> _Column:
    """Order the contents of a host so that a PING runs from right to left; the server's host is the leftmost.

    A row has `across` containers, or more if the path of the PING has more on this host.
    """
    ends = [end for hop in reversed(topology.hops) for end in (hop.target, hop.source)]
    on_path = list(dict.fromkeys(container for name, container in ends if name == host.name))
    running = [item for item in host.containers if item.running]
    running.sort(key=lambda item: on_path.index(item.name) if item.name in on_path else len(on_path))
    shown = running[:_MAX_CONTAINERS]
    across = max(across, len(on_path))
    path = [item for item in shown if item.name in on_path]
    others = shown[len(path) :]
    rows = [path] * bool(path) + [others[start : start + across] for start in range(0, len(others), across)]
    bridges = sorted(host.bridges, key=lambda bridge: (bool(bridge.interfaces), -len(bridge.containers)))
    stopped = [item.name for item in host.containers if not item.running]
    return _Column(host, rows, stopped, bridges, len(running) - len(shown))


def _draw_host(canvas: _Canvas, column: _Column, area: _Area) -> None:
    host, left = column.host, area.x + _PAD
    canvas.box("host", area)
    canvas.label("name", left, area.y + 22, host.name, 40)
    lab = f", practice host, lab {host.lab}" if host.lab else ""
    canvas.label("small", left, area.y + 39, f"{host.address}{lab}", 60)
    top = area.y + _HEAD
    if column.stopped or column.omitted:
        notes = [f"stopped: {', '.join(column.stopped)}"] if column.stopped else []
        notes += [f"{column.omitted} more in the text description"] if column.omitted else []
        canvas.label("small", left, top + 10, "; ".join(notes), int(area.wide / 7))
        top += _STRIP
    # Bars are aligned at the bottom, so that those of all hosts are level.
    bars = area.y + area.high - _INTERFACE - len(column.bridges) * _BAR_ROW
    _draw_containers(canvas, column, left, top, bars)
    _draw_bridges(canvas, column, area, bars)


def _draw_containers(canvas: _Canvas, column: _Column, left: float, top: float, bars: float) -> None:
    pitch = column.box(0) + _GAP
    for number, row in enumerate(column.rows):
        y = top + number * _ROW
        for column_number, item in enumerate(row):
            area = _Area(left + column_number * pitch, y, column.box(number), _BOX_HIGH)
            _draw_container(canvas, column.host, item, area)
            bridges = [index for index, bridge in enumerate(column.bridges) if item.name in bridge.containers]
            for lane, bar in enumerate(bridges):
                canvas.wire(area.x + area.wide - 10 - 11 * lane, y + _BOX_HIGH, bars + bar * _BAR_ROW)


def _draw_container(canvas: _Canvas, host: Host, item: Container, area: _Area) -> None:
    image = item.image or "unknown image"
    tooltip = f"{item.name}, {image}, {item.state}: {', '.join(item.addresses)}"
    canvas.box("ambassador" if item.ambassador else "container", area, tooltip)
    x, y = area.x + 8, area.y
    canvas.label("strong", x, y + 19, item.name, int((area.wide - 16) / 7.6))
    canvas.label("small", x, y + 36, image, 24)
    published = f"-p {', '.join(item.ports)}" if item.ports else ""
    addresses = address_labels(host, item)
    lines = [*(addresses or ["no address"])][: 1 if published else 2]
    for number, line in enumerate([*lines, *([published] if published else [])]):
        canvas.label("mono", x, y + 54 + 17 * number, line, 20)
    canvas.containers[host.name, item.name] = area


def _draw_bridges(canvas: _Canvas, column: _Column, area: _Area, top: float) -> None:
    left, inset = area.x + _PAD, 0
    bottom = area.y + area.high - _INTERFACE + 8
    middles = _draw_interfaces(canvas, column.host, left, bottom)
    for number, bridge in enumerate(column.bridges):
        y = top + number * _BAR_ROW
        right = area.x + area.wide - _PAD - inset
        _draw_bridge(canvas, bridge, _Area(left, y, right - left, _BAR))
        for name in bridge.interfaces:
            canvas.wire(middles[name], y + _BAR, bottom)
        # Lower bars are shorter, so that the wires of those above stay visible.
        inset += _PAD if bridge.interfaces else 0


def _draw_bridge(canvas: _Canvas, bridge: Bridge, area: _Area) -> None:
    canvas.box("bridge", area, f"bridge {bridge.name}")
    network = f" (network {bridge.network})" if bridge.network else ""
    canvas.label("strong", area.x + 10, area.y + 17, f"{bridge.name}{network}", 42)
    ports = [*bridge.interfaces, *([f"{bridge.veths} veth"] if bridge.veths else [])]
    label = f"{', '.join(bridge.addresses) or 'no address'}; ports: {', '.join(ports) or 'none'}"
    canvas.label("mono", area.x + 10, area.y + 33, label, 46)


def _draw_interfaces(canvas: _Canvas, host: Host, left: float, top: float) -> dict[str, float]:
    middles = {}
    for number, interface in enumerate(host.interfaces):
        area = _Area(left + number * (_BOX + _GAP), top, _BOX, 30)
        canvas.box("interface", area, _interface_tooltip(interface))
        canvas.label("mono", area.x + 8, top + 19, " ".join([interface.name, *interface.addresses]), 20)
        middles[interface.name] = canvas.interfaces[host.name, interface.name] = area.x + _BOX / 2
    return middles


def _interface_tooltip(interface: Interface) -> str:
    port = f", port of {interface.bridge}" if interface.bridge else ""
    return f"interface {interface.name}, {interface.state}{port}"


def _draw_networks(canvas: _Canvas, topology: Topology, bottom: float, wide: float) -> float:
    """Draw one bar per physical network below the hosts; return the lower edge of the last."""
    y = bottom
    for network in topology.networks:
        y += 40
        for member in network.members:
            canvas.wire(canvas.interfaces[member], bottom - 8, y)
        canvas.box("switch", _Area(_PAD, y, wide - 2 * _PAD, 34), network.label)
        canvas.label("strong", 2 * _PAD, y + 22, network.label, int(wide / 8))
        y += 34
    return y


def _draw_hops(canvas: _Canvas, topology: Topology) -> None:
    """Draw the path of a PING: one arrow per hop, from the container that asked to the one that answered."""
    for hop in topology.hops:
        both = hop.source in canvas.containers and hop.target in canvas.containers
        if not both or hop.source == hop.target:
            continue
        source, target = canvas.containers[hop.source], canvas.containers[hop.target]
        leftwards = target.x < source.x
        start = source.x if leftwards else source.x + source.wide
        end = target.x + target.wide if leftwards else target.x
        canvas.hops.append(
            {
                "css": "passed" if hop.holds else "failed",
                "d": f"M{start:g},{source.y + 26:g} L{end:g},{target.y + 26:g}",
                "x": (start + end) / 2,
                "y": (source.y + target.y) / 2 + 26,
                "tooltip": f"{hop.what}: {'PONG' if hop.holds else 'no PONG'}",
                "mark": f"{hop.number} {'✓' if hop.holds else '✗'}",
            }
        )
