"""What an interfaces file says about a bridge and its port, and the file in which the bridge has what the port had.

Each line of the port's configuration is either replaced on purpose, or kept byte for byte on the port or the bridge.
Any other line is an obstacle: the operation refuses and names it.
"""

from __future__ import annotations

import fnmatch
import functools
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.operations.network_stacks import ifupdown_stanzas
from runbook_lib.operations.network_stacks.ifupdown_conflicts import (
    by_other_name,
    conflicts,
    further_mtu,
    wrong_mtus,
)
from runbook_lib.operations.network_stacks.ifupdown_placement import HOOKS, Place, Placement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.operations.network_stacks.ifupdown_stanzas import Line, Stanza

__all__ = ["InterfacesFile"]

_OWN_BRIDGE_OPTIONS = frozenset(
    {"address", "netmask", "bridge-ports", "bridge-stp", "bridge-fd", "bridge-maxwait"}
)
_METHODS = frozenset({"static", "manual", "dhcp"})
_AT_BOOT = frozenset({"auto", "allow-auto", "allow-hotplug"})
_INCLUDES = frozenset({"source", "source-dir", "source-directory"})
_KEPT_LISTS = frozenset({"no-auto-down", "no-scripts"})
_ZERO = r"0+(\.0*)?"
_SHELL = re.compile(r"""[$`"'~{}()\\&|;<>!]""")  # wordexp(3) would interpret these in the path of an include


@dataclass(frozen=True)
class InterfacesFile:
    """An interfaces file, and the bridge that it should configure.

    Args:
        text: The file.
        bridge: The bridge's name.
        port: The physical interface's name.
        address: The address with its prefix length.
        gateway: Default gateway; None: the file's own is kept.
        nameservers: For `dns-nameservers`; empty: the file's own are kept.
    """

    text: str
    bridge: str
    port: str
    address: str
    gateway: str | None
    nameservers: tuple[str, ...]

    def changed(self, mac: str) -> str:
        """Return the new file: the port without an address, the bridge with it, everything else kept.

        Args:
            mac: The port's hardware address, for the bridge; empty if not known.
        """
        main = self._main
        bridge_has = self._kept_by_bridge()
        kept: dict[Place, list[str]] = {Place.PORT: [], Place.BRIDGE: [line.raw for line in bridge_has]}
        comments: list[str] = []
        for line in main.body if main else ():
            if not line.words:
                comments += [line.raw] if line.raw.strip() else []
                continue
            place = self._placement.of(line)
            if place == Place.BOTH and any(
                line.key == own.key for item in self._of(self.bridge) for own in item.options
            ):
                place = Place.PORT
            if place == Place.BRIDGE and line.key not in HOOKS and _has(bridge_has, line):
                place = Place.REPLACED
            for name in (Place.PORT, Place.BRIDGE):
                if place in {name, Place.BOTH}:
                    kept[name] += [*comments, line.raw]
            if place == Place.REPLACED:
                kept[Place.BRIDGE] += comments
            comments = []
        kept[Place.PORT] += further_mtu(main, self._of(self.port), self._of(self.bridge))
        rest = ifupdown_stanzas.without(ifupdown_stanzas.without(self.text, self.bridge), self.port)
        with_port = ifupdown_stanzas.add(rest, self.port, "manual", []) + _joined(kept[Place.PORT])
        own = [line for line in self._options(mac) if line]
        bridge = ifupdown_stanzas.add("", self.bridge, "static", own) + _joined(kept[Place.BRIDGE])
        more = [self._renamed(stanza) for stanza in self._of(self.port) if stanza is not main]
        more += [
            "".join([stanza.lines[0].raw, *(line.raw for line in stanza.body)])
            for stanza in self._of(self.bridge)
            if stanza is not self._bridge_main
        ]
        return with_port.rstrip("\n") + "\n\n" + bridge + "".join("\n" + _joined([text]) for text in more)

    def missing(self) -> list[str]:
        """Return the lines that the file lacks, or has with another meaning; empty: it configures the bridge."""
        # Of two stanzas' values it is not known which counts: all have to be the wanted ones.
        options = [line for stanza in self._of(self.bridge) for line in stanza.options]
        gateways = [
            ifupdown_stanzas.last_value(item.options, "gateway") for item in self._of(self.bridge, "inet")
        ]
        ports = {word for line in options if line.key == "bridge-ports" for word in line.words[1:]}
        wanted = [
            (f"auto {self.bridge}", self._started(self.bridge)),
            (
                f"address {self.address}",
                ipaddress.ip_interface(self.address)
                in ifupdown_stanzas.addresses(self._of(self.bridge, "inet")),
            ),
            (
                f"gateway {self.gateway}",
                not self.gateway or self.gateway in gateways,
            ),
            (f"bridge_ports {self.port}", ports == {self.port}),
            ("bridge_stp off", _are_all(options, "bridge-stp", "off|no|0")),
            ("bridge_fd 0", _are_all(options, "bridge-fd", _ZERO)),
            ("bridge_maxwait 0", _are_all(options, "bridge-maxwait", _ZERO)),
            (
                f"dns-nameservers {' '.join(self.nameservers)}",
                not self.nameservers
                or " ".join(self.nameservers) in ifupdown_stanzas.values(options, "dns-nameservers"),
            ),
            (
                f"iface {self.port} inet manual",
                all(stanza.words[3:4] == ("manual",) for stanza in self._of(self.port, "inet")),
            ),
        ]
        return [text for text, found in wanted if not found]

    def conflicts(self) -> list[str]:
        """Return the lines that make another network at boot, though no line is missing."""
        wrong = wrong_mtus(self._of(self.port), self._of(self.bridge))
        return [*conflicts(self._stanzas, self.bridge, self.port), *wrong]

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses that the bridge will have: the given one, and the file's further ones."""
        more = [stanza for stanza in self._of(self.port, "inet") if stanza is not self._main]
        more += [stanza for stanza in self._of(self.bridge, "inet") if stanza is not self._bridge_main]
        more += [*self._of(self.port, "inet6"), *self._of(self.bridge, "inet6")]
        found = [self.address, *(str(address) for address in ifupdown_stanzas.addresses(more))]
        return tuple(dict.fromkeys(found))

    def obstacles(self) -> list[str]:
        """Return the lines that cannot be kept where they are, nor moved: not understood, or in use elsewhere."""
        found: list[str] = []
        for stanza in self._stanzas:
            if stanza.misplaced:
                found += [line.text for line in stanza.misplaced]
            elif stanza.configures(self.port):
                found += self._obstacles_of_port(stanza)
            elif stanza.configures(self.bridge):
                found += self._obstacles_of_bridge(stanza)
            else:
                found += self._obstacles_elsewhere(stanza)
        return found + wrong_mtus(self._of(self.port), self._of(self.bridge))

    def ipv6(self) -> bool:
        """Return whether the file configures IPv6 for the port in a way that cannot be moved as it is."""
        moved = {("auto",), ("static",), ("dhcp",)}
        return any(stanza.words[3:4] not in moved for stanza in self._of(self.port, "inet6"))

    @property
    def includes(self) -> tuple[str, ...]:
        """The lines that include other files."""
        return tuple(
            stanza.lines[0].text for stanza in self._stanzas if stanza.words and stanza.words[0] in _INCLUDES
        )

    @functools.cached_property
    def _stanzas(self) -> tuple[Stanza, ...]:
        return ifupdown_stanzas.parse(self.text)

    @functools.cached_property
    def _placement(self) -> Placement:
        return Placement(self.port, gateway=self.gateway is not None, nameservers=bool(self.nameservers))

    def _of(self, name: str, family: str = "") -> list[Stanza]:
        return [stanza for stanza in self._stanzas if stanza.configures(name, family)]

    @property
    def _main(self) -> Stanza | None:
        """The port's stanza whose address is replaced by the given one: the one with it, or the first."""
        return self._first_with_address(self._of(self.port, "inet"))

    @property
    def _bridge_main(self) -> Stanza | None:
        return self._first_with_address(self._of(self.bridge, "inet"))

    def _first_with_address(self, stanzas: list[Stanza]) -> Stanza | None:
        own = ipaddress.ip_interface(self.address).ip
        having = [
            item for item in stanzas if own in {address.ip for address in ifupdown_stanzas.addresses([item])}
        ]
        return next(iter(having or stanzas), None)

    def _options(self, mac: str) -> Iterator[tuple[str, str]]:
        address = ipaddress.ip_interface(self.address)
        yield ("address", str(address.ip))
        yield ("netmask", str(address.netmask))
        if self.gateway:
            yield ("gateway", self.gateway)
        yield ("bridge_ports", self.port)
        yield ("bridge_stp", "off")
        yield ("bridge_fd", "0")
        yield ("bridge_maxwait", "0")
        bridge = self._bridge_main
        if mac and not (bridge and any(line.key == "bridge-hw" for line in bridge.options)):
            # Without it a bridge uses the lowest address of its ports, which changes with each container.
            yield ("bridge_hw", mac)
        if self.nameservers:
            yield ("dns-nameservers", " ".join(self.nameservers))

    def _kept_by_bridge(self) -> list[Line]:
        bridge = self._bridge_main
        return [
            line
            for line in (bridge.body if bridge else ())
            if (line.words and line.key not in _OWN_BRIDGE_OPTIONS and not self._placement.is_replaced(line))
            or line.raw.lstrip().startswith("#")
        ]

    def _obstacles_of_port(self, stanza: Stanza) -> list[str]:
        family, method = (*stanza.words[2:4], "", "")[:2]
        if "inherits" in stanza.words or family not in {"inet", "inet6"}:
            return [stanza.lines[0].text]
        if family == "inet6":
            return [line.text for line in stanza.options if not self._placement.moves_along(line)]
        if method not in (_METHODS if stanza is self._main else {"static"}):
            return [stanza.lines[0].text]
        if stanza is not self._main:
            return [line.text for line in stanza.options if not self._placement.moves_along(line)]
        unknown = [line.text for line in stanza.options if self._placement.of(line) is None]
        own = ipaddress.ip_interface(self.address).ip
        lost = [
            line.text for line in stanza.options if line.key == "address" and not _is_address(line.value, own)
        ]
        return [*lost, *unknown]

    def _obstacles_of_bridge(self, stanza: Stanza) -> list[str]:
        further = stanza is not self._bridge_main
        is_inet = stanza.words[2:3] == ("inet",)
        if "inherits" in stanza.words or (
            further and is_inet and stanza.words[3:4] not in {("static",), ("manual",)}
        ):
            return [stanza.lines[0].text]
        return [
            line.text
            for line in stanza.options
            if (line.key == "bridge-ports" and set(line.words[1:]) - {self.port, "none"})
            # Which of two stanzas' values counts depends on the order in which ifupdown's scripts run.
            or (further and line.key in _OWN_BRIDGE_OPTIONS - {"address", "netmask"})
        ]

    def _obstacles_elsewhere(self, stanza: Stanza) -> list[str]:
        if not stanza.words:
            return []
        keyword, names = stanza.words[0], stanza.words[1:]
        if keyword in _INCLUDES:
            return [stanza.lines[0].text] if len(names) != 1 or _SHELL.search(names[0]) else []
        listed = keyword.startswith("allow-") and keyword not in _AT_BOOT
        in_class = listed and {self.port, self.bridge} & set(names)
        above = keyword == "iface" and names[:1] and re.match(f"{re.escape(self.bridge)}[.:]", names[0])
        if in_class or above or by_other_name(stanza, self.bridge, self.port):
            return [stanza.lines[0].text]
        if keyword in _KEPT_LISTS or keyword in _AT_BOOT or keyword.startswith("allow-"):
            return []
        return [line.text for line in stanza.lines if line.words and self._placement.mentions_port(line.text)]

    def _renamed(self, stanza: Stanza) -> str:
        first = re.sub(
            rf"(iface[\s\\]+){re.escape(self.port)}(?=[\s\\])",
            lambda found: found[1] + self.bridge,
            stanza.lines[0].raw,
            count=1,
        )
        return "".join([first, *(line.raw for line in stanza.body)])

    def _started(self, name: str) -> bool:
        return any(
            stanza.words[0] in {"auto", "allow-auto"}
            and any(
                word == name or (word.startswith("/") and fnmatch.fnmatchcase(name, word[1:]))
                for word in stanza.words[1:]
            )
            for stanza in self._stanzas
            if stanza.words
        )


def _joined(lines: list[str]) -> str:
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def _has(lines: list[Line], line: Line) -> bool:
    return any((line.key, line.value) == (other.key, other.value) for other in lines)


def _are_all(options: list[Line], key: str, pattern: str) -> bool:
    found = ifupdown_stanzas.values(options, key)
    return bool(found) and all(re.fullmatch(pattern, value) for value in found)


def _is_address(text: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return text.partition("/")[0] == str(address)
