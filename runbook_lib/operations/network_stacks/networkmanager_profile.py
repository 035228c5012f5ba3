"""Profiles of NetworkManager (nm-settings-keyfile(5)): what of a port's profile belongs to its bridge.

Each setting either stays with the port, or moves to the bridge byte for byte, or is an obstacle: it is named.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.operations.configuration_text import ended, names_interface
from runbook_lib.operations.network_stacks.bridge_backend import normalized
from runbook_lib.operations.network_stacks.section_file import parse, sections_of, values

if TYPE_CHECKING:
    from runbook_lib.operations.network_stacks.bridge_backend import Wanted
    from runbook_lib.operations.network_stacks.section_file import Entry, Section

__all__ = ["EthernetProfile", "profile_id"]

_NAMESPACE = uuid.UUID(
    "5a3f3f0e-0c1b-4a57-9d0e-6b0a1d1f7c11"
)  # of our own: a profile's id is made of its name
_ETHERNET = ("ethernet", "802-3-ethernet")
_IP = ("ipv4", "ipv6")
_PRIORITY = 100
# What belongs to the addresses moves, what belongs to the cable stays; the rest of [connection] is replaced.
_MOVES = frozenset(
    {"zone", "metered", "stable-id", "mdns", "llmnr", "dns-over-tls", "gateway-ping-timeout", "mptcp-flags"}
)
_STAYS = frozenset({"lldp"})
_NEW = frozenset({
    "id", "uuid", "type", "interface-name", "timestamp", "autoconnect", "autoconnect-priority", "autoconnect-slaves",
    "autoconnect-ports", "autoconnect-retries", "permissions", "read-only", "wait-device-timeout",
    "multi-connect", "auth-retries",
})  # fmt: skip
_COPIED = ("proxy", "user")
_UNDERSTOOD = frozenset({"", "connection", "match", *_COPIED, "bridge", "bridge-port", *_ETHERNET, *_IP})


@dataclass(frozen=True)
class EthernetProfile:
    """A profile with what the bridge is to have: the port's, or the bridge's own.

    Args:
        text: The file.
        wanted: The bridge as it should be.
    """

    text: str
    wanted: Wanted

    @property
    def is_port(self) -> bool:
        """Whether it makes an interface a port of the bridge."""
        return self.wanted.name in {self._value("connection", key) for key in ("master", "controller")}

    @property
    def mtu(self) -> int | None:
        """The MTU in bytes; None if it is left to the driver."""
        found = [value for name in _ETHERNET for value in values(self._sections, name, "mtu")][-1:]
        return int(found[0]) if found and found[0].isdecimal() and int(found[0]) else None

    def addresses(self) -> tuple[str, ...]:
        """Return the static addresses, and with DHCP the given one: it is the lease's."""
        found = [self.wanted.address] if self._dhcp else []
        for section in _IP:
            found += [part for _, value in self._addresses(section) for part in [value.partition(",")[0]]]
        return normalized(found)

    def missing_in_bridge(self) -> list[str]:
        """Return what a bridge's profile lacks."""
        found = []
        if self._value("connection", "type") != "bridge":
            found.append("type=bridge")
        if str(ipaddress.ip_interface(self.wanted.address)) not in self.addresses():
            found.append(f"address1={self.wanted.address}")
        if self._replaces_gateway:
            found.append(f"gateway={self.wanted.gateway}")
        if self._replaces_nameservers:
            found.append(f"dns={';'.join(self.wanted.nameservers)};")
        if self._value("bridge", "stp", "true") not in {"false", "no", "0"}:
            found.append("stp=false")
        return found

    def obstacles(self) -> list[str]:
        """Return the settings that can be neither kept nor moved."""
        found = [f"[{section.name}]" for section in self._sections if section.name not in _UNDERSTOOD]
        found += [
            entry.raw.strip() for section in self._sections for entry in section.entries if entry.is_malformed
        ]
        for entry in self._entries("connection"):
            is_restricted = entry.key == "permissions" and entry.value.strip(" ;")  # to some users
            if entry.key and (entry.key not in _MOVES | _STAYS | _NEW or is_restricted):
                found.append(entry.raw.strip())
        # Packets come from the bridge from now on: a rule for those from the port would not match again.
        for entry in (*self._entries("ipv4"), *self._entries("ipv6")):
            if names_interface(entry.value, self.wanted.port):
                found.append(entry.raw.strip())
        if self._value("connection", "type") not in {*_ETHERNET, "bridge"}:
            found.append(f"type={self._value('connection', 'type')}")
        if str(ipaddress.ip_interface(self.wanted.address)) not in self.addresses():
            found.append(f"addresses {', '.join(self.addresses()) or 'none'}, and not {self.wanted.address}")
        if self._replaces_gateway:
            found += [entry.raw.strip() for entry in self._entries("ipv4") if _is_default_route(entry)]
        return found

    def bridge_profile(self, mac: str) -> str:
        """Return the bridge's profile: all addresses, routes and settings of the port, and what is wanted.

        Args:
            mac: The port's hardware address; empty: not known.
        """
        name = self.wanted.name
        own = f"id={name}\nuuid={profile_id(mac, name)}\ntype=bridge\ninterface-name={name}\nautoconnect-slaves=1\n"
        own += "".join(ended(entry.raw) for entry in self._entries("connection") if entry.key in _MOVES)
        mtu = [ended(entry.raw) for key in _ETHERNET for entry in self._entries(key) if entry.key == "mtu"]
        address = f"mac-address={mac}\n" if mac else ""
        parts = [
            f"[connection]\n{own}",
            f"[ethernet]\n{mtu[-1]}" if mtu else "",
            f"[bridge]\nstp=false\n{address}",
        ]
        parts += [self._ip_section(section) for section in _IP]
        parts += [ended(section.text.rstrip("\n")) for section in self._sections if section.name in _COPIED]
        return "\n".join(part for part in parts if part)

    def port_profile(self, mac: str) -> str:
        """Return the profile of a bridge's port: the settings of the cable stay, and no address.

        Args:
            mac: The port's hardware address; empty: not known.
        """
        wanted = self.wanted
        name = f"{wanted.name}-{wanted.port}"
        own = f"id={name}\nuuid={profile_id(mac, name)}\ntype=ethernet\ninterface-name={wanted.port}\n"
        priority = self._value("connection", "autoconnect-priority", "0")
        higher = int(priority) + 1 if re.fullmatch(r"\d{1,3}", priority) and not self.is_port else 0
        own += f"master={wanted.name}\nslave-type=bridge\nautoconnect-priority={min(999, max(_PRIORITY, higher))}\n"
        own += "".join(ended(entry.raw) for entry in self._entries("connection") if entry.key in _STAYS)
        stays = [
            ended(section.text.rstrip("\n"))
            for section in self._sections
            if section.name in (*_ETHERNET, "match")
        ]
        return "\n".join([f"[connection]\n{own}", *stays, "[bridge-port]\n"])

    def _ip_section(self, name: str) -> str:
        """Return a section with the port's own lines; only a gateway or name servers that differ are replaced."""
        text = ""
        entries = self._entries(name)
        gateway = self.wanted.gateway if name == "ipv4" and self._replaces_gateway else None
        nameservers = self.wanted.nameservers if name == "ipv4" and self._replaces_nameservers else ()
        for entry in entries:
            if (gateway and entry.key == "gateway") or (nameservers and entry.key == "dns"):
                continue
            is_address = gateway and re.fullmatch(r"address(es)?\d*", entry.key)
            text += f"{entry.key}={entry.value.partition(',')[0]}\n" if is_address else ended(entry.raw)
        text = text.rstrip("\n") + "\n"
        text += f"gateway={gateway}\n" if gateway else ""
        text += f"dns={';'.join(nameservers)};\n" if nameservers else ""
        if not any(entry.key == "route-metric" for entry in entries) and self._value(name, "method") in {
            "manual",
            "auto",
        }:
            # A bridge's default routes have metric 425, and would lose against those of a second interface (100).
            text += "route-metric=100\n"
        return f"[{name}]\n{text.lstrip(chr(10))}"

    @functools.cached_property
    def _sections(self) -> tuple[Section, ...]:
        return parse(self.text, continued=False)

    def _entries(self, name: str) -> list[Entry]:
        return [entry for section in sections_of(self._sections, name) for entry in section.entries]

    def _value(self, section: str, key: str, default: str = "") -> str:
        return next(reversed(values(self._sections, section, key)), default)

    def _addresses(self, section: str) -> list[tuple[str, str]]:
        entries = self._entries(section)
        return [(entry.key, entry.value) for entry in entries if re.fullmatch(r"address(es)?\d*", entry.key)]

    @property
    def _dhcp(self) -> bool:
        return self._value("ipv4", "method", "auto" if self.text else "") == "auto"

    @property
    def _gateways(self) -> set[str]:
        found = {value.partition(",")[2].strip() for _, value in self._addresses("ipv4")} - {"", "0.0.0.0"}  # noqa: S104
        found |= {value for value in values(self._sections, "ipv4", "gateway") if value}
        routes = [entry.value.split(",") for entry in self._entries("ipv4") if _is_default_route(entry)]
        return found | {route[1].strip() for route in routes if len(route) > 1}

    @property
    def _replaces_gateway(self) -> bool:
        if self.wanted.gateway is None or (self._dhcp and not self._gateways):
            return False
        return self._gateways != {self.wanted.gateway}

    @property
    def _replaces_nameservers(self) -> bool:
        known = [server for server in re.split(r"[;, ]+", self._value("ipv4", "dns")) if server]
        return bool(self.wanted.nameservers) and known != list(self.wanted.nameservers)


def profile_id(mac: str, name: str) -> str:
    """Return the UUID of one of our profiles; the same each time.

    Args:
        mac: The port's hardware address: no two hosts' profiles have the same UUID.
        name: The profile's name.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{mac}/{name}"))


def _is_default_route(entry: Entry) -> bool:
    return re.fullmatch(r"route\d+", entry.key) is not None and entry.value.startswith("0.0.0.0/0")
