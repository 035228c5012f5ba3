"""What an interfaces file has in addition to a bridge's configuration, and that makes another network of it at boot."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

from runbook_lib.operations.network_stacks.ifupdown_placement import HOOKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runbook_lib.operations.network_stacks.ifupdown_stanzas import Line, Stanza

__all__ = ["by_other_name", "conflicts", "further_mtu", "wrong_mtus"]

_STANDARD_MTU = 1500  # bytes, of an Ethernet interface that is not configured
_ADDS_ADDRESS = re.compile(
    r"\b(dhclient|dhcpcd|udhcpc)\b|\bip(\s+-\S+)*\s+a\w*\s+(add|replace|change)\b"
    r"|\bifconfig\s+\S+\s+(?!0\.0\.0\.0\b|0\s|0$)[0-9]"
)


def conflicts(stanzas: Iterable[Stanza], bridge: str, port: str) -> list[str]:
    """Return the lines that give a bridge's port an address, or configure either of them under another name.

    Args:
        stanzas: Those of the file.
        bridge: The bridge's name.
        port: Its port's name.
    """
    found: list[str] = []
    for stanza in stanzas:
        if stanza.misplaced:  # ifupdown refuses the file
            found += [line.text for line in stanza.misplaced]
        elif stanza.configures(port):
            found += _of_port(stanza)
        elif not stanza.configures(bridge) and by_other_name(stanza, bridge, port):
            found.append(stanza.lines[0].text)
    return found


def _of_port(stanza: Stanza) -> list[str]:
    if stanza.words[2:3] == ("inet6",) and stanza.words[3:4] != ("manual",):
        return [stanza.lines[0].text]
    return [line.text for line in stanza.options if line.key in HOOKS and _ADDS_ADDRESS.search(line.value)]


def by_other_name(stanza: Stanza, bridge: str, port: str) -> bool:
    """Return whether a stanza configures one of them by a pattern, a logical name (`auto eth0=work`) or an alias.

    Args:
        stanza: Not one of `iface` with the name of bridge or port itself.
        bridge: The bridge's name.
        port: Its port's name.
    """
    keyword, *names = stanza.words or ("",)
    if keyword == "auto" or keyword.startswith("allow-"):
        return any("=" in name and name.partition("=")[0] in {bridge, port} for name in names)
    names = names if keyword == "mapping" else names[:1] if keyword in {"iface", "template"} else []
    return any(
        name.startswith(f"{port}:") or fnmatch.fnmatchcase(own, name.removeprefix("/"))
        for name in names
        for own in (bridge, port)
    )


def further_mtu(main: Stanza | None, port: Sequence[Stanza], bridge: Sequence[Stanza]) -> list[str]:
    """Return the line with the MTU that a port needs and its main stanza lacks: its bridge's frames are no longer.

    Args:
        main: The port's main stanza.
        port: All of the port's stanzas.
        bridge: The bridge's stanzas.
    """
    larger = [line for line in _mtu_lines(bridge) if _mtu_of(line) > _STANDARD_MTU]
    lines = _mtu_lines(port) or sorted(larger, key=_mtu_of, reverse=True)
    return [] if main and _mtu_lines([main]) else [line.raw for line in lines[:1]]


def wrong_mtus(port: Sequence[Stanza], bridge: Sequence[Stanza]) -> list[str]:
    """Return the lines that set several MTUs of a port, or an MTU of its bridge above it: longer frames would be lost.

    Args:
        port: The port's stanzas.
        bridge: The bridge's stanzas.
    """
    of_port = _mtu_lines(port)
    if len({line.value for line in of_port}) > 1:
        return [line.text for line in of_port]
    if not of_port:
        return []
    return [line.text for line in _mtu_lines(bridge) if _mtu_of(line) > _mtu_of(of_port[0])]


def _mtu_lines(stanzas: Iterable[Stanza]) -> list[Line]:
    return [line for stanza in stanzas for line in stanza.options if line.key == "mtu"]


def _mtu_of(line: Line) -> int:
    return int(line.value) if re.fullmatch(r"[0-9]{1,9}", line.value) else 0
