"""Files of systemd-networkd (systemd.network(5), systemd.netdev(5)): what of a port's file belongs to its bridge.

Each setting either stays with the port, or moves to the bridge byte for byte, or is an obstacle: it is named.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.operations.configuration_text import ended, names_interface
from runbook_lib.operations.network_stacks.bridge_backend import normalized
from runbook_lib.operations.network_stacks.section_file import closed, parse, sections_of, values

if TYPE_CHECKING:
    from runbook_lib.operations.network_stacks.bridge_backend import Wanted
    from runbook_lib.operations.network_stacks.section_file import Entry, Section

__all__ = ["NetworkFile", "is_bridge", "missing_in_port", "mtu", "netdev", "port_file"]

_OFF = frozenset({"no", "false", "off", "0", "n", "f"})
_DHCP_V4 = frozenset({"yes", "true", "on", "1", "y", "t", "ipv4"})
_STAYS = frozenset({"LLDP", "EmitLLDP"})  # neighbors on the cable
# What an interface has addresses for; all of it is the bridge's from now on.
_MOVES = frozenset({
    "Description", "DHCP", "LinkLocalAddressing", "IPv6LinkLocalAddressGenerationMode", "IPv6StableSecretAddress",
    "IPv4LLStartAddress", "IPv4LLRoute", "DefaultRouteOnDevice", "LLMNR", "MulticastDNS", "DNSOverTLS", "DNSSEC",
    "DNSSECNegativeTrustAnchors", "Address", "Gateway", "DNS", "Domains", "DNSDefaultRoute", "NTP", "IPForward",
    "IPv4Forwarding", "IPv6Forwarding", "IPMasquerade", "IPv6PrivacyExtensions", "IPv6AcceptRA",
    "IPv6DuplicateAddressDetection", "IPv6HopLimit", "IPv4AcceptLocal", "IPv4RouteLocalnet", "IPv4ProxyARP",
    "IPv4ReversePathFilter", "IPv6ProxyNDP", "IPv6ProxyNDPAddress", "IPv6MTUBytes", "KeepConfiguration",
    "IPv6SendRA", "DHCPPrefixDelegation", "DHCPServer", "UseDomains", "IgnoreCarrierLoss", "ConfigureWithoutCarrier",
})  # fmt: skip
_MOVING_SECTIONS = frozenset({
    "Address", "Neighbor", "NextHop", "Route", "RoutingPolicyRule", "DHCP", "DHCPv4", "DHCPv6", "DHCPServer",
    "DHCPServerStaticLease", "DHCPPrefixDelegation", "IPv6AcceptRA", "IPv6SendRA", "IPv6Prefix", "IPv6RoutePrefix",
})  # fmt: skip
_LINK = frozenset({
    "MACAddress", "MTUBytes", "ARP", "Multicast", "AllMulticast", "Promiscuous", "RequiredForOnline",
    "RequiredFamilyForOnline", "ActivationPolicy",
})  # fmt: skip
_LINK_OF_BRIDGE = frozenset({"MTUBytes", "RequiredForOnline", "RequiredFamilyForOnline"})


@dataclass(frozen=True)
class NetworkFile:
    """A .network file with what the bridge is to have: the port's file, or the bridge's own.

    Args:
        text: The file.
        wanted: The bridge as it should be.
    """

    text: str
    wanted: Wanted

    def bridge_file(self) -> str:
        """Return the bridge's file: all addresses, routes and settings of the port, and what is wanted."""
        name = self.wanted.name
        kept = closed(entry for entry in self._moving if not self._is_replaced(entry))
        new = f"Gateway={self.wanted.gateway}\n" if self._replaces_gateway else ""
        if self._replaces_nameservers:
            new += "".join(f"DNS={server}\n" for server in self.wanted.nameservers)
        link = "".join(closed([entry]) for entry in self._link if entry.key in _LINK_OF_BRIDGE)
        more = [_section(section) for section in self._sections if section.name in _MOVING_SECTIONS]
        parts = [f"[Match]\nName={name}\n", f"[Link]\n{link}" if link else ""]
        parts += [f"[Network]\n{kept.lstrip(chr(10))}{new}", *more]
        return "\n".join(part for part in parts if part)

    def missing(self) -> list[str]:
        """Return what the bridge's file lacks."""
        wanted = self.wanted
        found = []
        if not self._dhcp and str(ipaddress.ip_interface(wanted.address)) not in self.addresses():
            found.append(f"Address={wanted.address}")
        if wanted.gateway and self._replaces_gateway:
            found.append(f"Gateway={wanted.gateway}")
        if self._replaces_nameservers:
            found.append(f"DNS={' '.join(wanted.nameservers)}")
        return found

    def addresses(self) -> tuple[str, ...]:
        """Return the static addresses, and with DHCP the given one: it is the lease's."""
        own = [*values(self._sections, "Network", "Address"), *values(self._sections, "Address", "Address")]
        return normalized([*([self.wanted.address] if self._dhcp else []), *own])

    def obstacles(self) -> list[str]:
        """Return the lines that can be neither kept nor moved."""
        found = []
        for section in self._sections:
            known = {"Network": _MOVES | _STAYS, "Link": _LINK}.get(section.name)
            if section.name == "Match":
                continue
            if known is None and section.name not in {*_MOVING_SECTIONS, ""}:
                found.append(f"[{section.name}]")
                continue
            found += [
                entry.raw.strip()
                for entry in section.entries
                if entry.is_malformed
                or (entry.key and known is not None and entry.key not in known)
                or (entry.key not in {"", "Description"} and names_interface(entry.value, self.wanted.port))
            ]
        if not self._dhcp and self.missing() and f"Address={self.wanted.address}" in self.missing():
            found.append(f"Address={', '.join(self.addresses()) or 'none'}, and not {self.wanted.address}")
        if self._replaces_gateway and self._default_routes:
            found += [f"[Route] Gateway={gateway}" for gateway in self._default_routes]
        return found

    @functools.cached_property
    def _sections(self) -> tuple[Section, ...]:
        return parse(self.text, continued=True)

    @property
    def _dhcp(self) -> bool:
        return next(reversed(values(self._sections, "Network", "DHCP")), "no").lower() in _DHCP_V4

    @property
    def _link(self) -> list[Entry]:
        return [entry for section in sections_of(self._sections, "Link") for entry in section.entries]

    @property
    def _moving(self) -> list[Entry]:
        network = [entry for section in sections_of(self._sections, "Network") for entry in section.entries]
        return [entry for entry in network if entry.key not in _STAYS]

    @property
    def _gateways(self) -> list[str]:
        return [value for value in values(self._sections, "Network", "Gateway") if ":" not in value]

    @property
    def _default_routes(self) -> list[str]:
        """The gateways of IPv4 default routes that have a section of their own."""
        found = []
        for section in sections_of(self._sections, "Route"):
            own = {entry.key: entry.value for entry in section.entries if entry.key}
            if own.get("Destination", "0.0.0.0/0") == "0.0.0.0/0" and ":" not in own.get("Gateway", ":"):
                found.append(own["Gateway"])
        return found

    @property
    def _replaces_gateway(self) -> bool:
        if self.wanted.gateway is None:
            return False
        known = {*self._gateways, *self._default_routes}
        return known != {self.wanted.gateway} and not (self._dhcp and not known)

    @property
    def _replaces_nameservers(self) -> bool:
        known = " ".join(values(self._sections, "Network", "DNS")).split()
        return bool(self.wanted.nameservers) and known != list(self.wanted.nameservers)

    def _is_replaced(self, entry: Entry) -> bool:
        if entry.key == "Gateway" and self._replaces_gateway:
            return ":" not in entry.value
        return entry.key == "DNS" and self._replaces_nameservers


def port_file(text: str, port: str, bridge: str) -> str:
    """Return the file of a bridge's port: the settings of the link stay, and no address.

    Args:
        text: The port's file so far.
        port: The port's name.
        bridge: The bridge's name.
    """
    sections = parse(text, continued=True)
    stays = "".join(
        closed([entry])
        for section in sections_of(sections, "Network")
        for entry in section.entries
        if entry.key in _STAYS
    )
    link = [_section(section) for section in sections_of(sections, "Link")]
    network = f"[Network]\nBridge={bridge}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n{stays}"
    return "\n".join([f"[Match]\nName={port}\n", *link, network])


def _section(section: Section) -> str:
    return ended(section.raw) + closed(section.entries)


def netdev(name: str, mac: str) -> str:
    """Return the file that creates a bridge; it forwards at once.

    Args:
        name: The bridge's name.
        mac: Its hardware address, that of the port; empty: not known. Without it a bridge has the lowest of its ports,
            which changes with each container, and DHCP would give it another address.
    """
    address = f"MACAddress={mac}\n" if mac else ""
    return f"[NetDev]\nName={name}\nKind=bridge\n{address}\n[Bridge]\nSTP=no\nForwardDelaySec=0\n"


def is_bridge(text: str) -> bool:
    """Return whether a .netdev file creates a bridge without the spanning tree protocol.

    Args:
        text: The file.
    """
    sections = parse(text, continued=True)
    stp = next(reversed(values(sections, "Bridge", "STP")), "no").lower()
    return values(sections, "NetDev", "Kind")[-1:] == ["bridge"] and stp in _OFF


def missing_in_port(text: str, bridge: str) -> list[str]:
    """Return what a port's file lacks to make it a port of a bridge.

    Args:
        text: The port's file.
        bridge: The bridge's name.
    """
    sections = parse(text, continued=True)
    return [] if values(sections, "Network", "Bridge")[-1:] == [bridge] else [f"Bridge={bridge}"]


def mtu(text: str) -> int | None:
    """Return the MTU that a .network file sets, in bytes; None if it sets none that is understood.

    Args:
        text: The file.
    """
    value = next(reversed(values(parse(text, continued=True), "Link", "MTUBytes")), "")
    factor = {"K": 1024, "M": 1024**2}.get(value[-1:], 1)
    number = value.rstrip("KM")
    return int(number) * factor if number.isdecimal() else None
