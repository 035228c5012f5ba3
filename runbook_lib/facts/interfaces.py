"""Network interfaces, bridges and routes (book S2: `brctl show`, `ip addr`)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from runbook_lib.errors import FactError, ParameterError
from runbook_lib.facts.base import Fact, load_json, parsing, typed
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = [
    "DefaultRoute",
    "Interface",
    "Interfaces",
    "Reachable",
    "Route",
    "require_address",
    "require_network",
]

_FORBIDDEN = "Operation not permitted"
_REPLIES = re.compile(r"\b[1-9][0-9]*(?: packets)? received\b")  # of iputils, or of busybox


@dataclass(frozen=True)
class Interface:
    """One interface.

    Args:
        name: As `em1`.
        kind: `bridge`, `veth`, `vlan`, …; empty for a physical interface.
        state: As `UP`.
        master: The bridge (or bond) it is a port of.
        addresses: IPv4 addresses with prefix length, as `192.168.7.31/20`.
        mac: Hardware address.
        stp: For a bridge: whether it runs the spanning tree protocol.
        ipv6: IPv6 addresses that are configured, with prefix length; neither link-local nor automatic ones.
        mtu: Largest packet in bytes; 0: not known.
        max_mtu: The largest MTU that the interface can be given; 0: not known, or no limit.
        carrier: Whether there is a signal on the cable; False also for an interface that is down.
        link: The interface that it is made of, as a VLAN's; of a veth: its other end, if that is on this host.
    """

    name: str
    kind: str
    state: str
    master: str | None
    addresses: tuple[str, ...]
    mac: str
    stp: bool | None = None
    ipv6: tuple[str, ...] = ()
    mtu: int = 0
    max_mtu: int = 0
    carrier: bool = True
    link: str | None = None


@dataclass(frozen=True)
class Interfaces(Fact[tuple[Interface, ...]]):
    """All interfaces."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("ip", "-details", "-json", "address", "show"))

    def parse(self, output: Output) -> tuple[Interface, ...]:
        """Return the interfaces in the kernel's order."""
        listed = load_json(output, "ip address")
        with parsing("ip address"):
            return tuple(_interface(item) for item in typed(list, listed) if item != {})


def _interface(item: dict[str, Any]) -> Interface:
    info = item.get("linkinfo") or {}
    kind = typed(str, info.get("info_kind", ""))
    infos = item.get("addr_info") or []
    return Interface(
        name=typed(str, item["ifname"]),
        kind=kind,
        state=typed(str, item["operstate"]),
        master=typed(str, item["master"]) if "master" in item else None,
        addresses=tuple(str(_address(info)) for info in infos if info["family"] == "inet"),
        mac=typed(str, item.get("address", "")),
        stp=bool(typed(int, info.get("info_data", {}).get("stp_state", 0))) if kind == "bridge" else None,
        ipv6=tuple(str(_address(info)) for info in infos if _is_configured_ipv6(info)),
        mtu=typed(int, item.get("mtu", 0)),
        max_mtu=typed(int, item.get("max_mtu", 0)),
        carrier="NO-CARRIER" not in item.get("flags", ["UP"]) and "UP" in item.get("flags", ["UP"]),
        link=typed(str, item["link"]) if item.get("link") else None,
    )


def _address(info: dict[str, Any]) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    return ipaddress.ip_interface(f"{typed(str, info['local'])}/{typed(int, info['prefixlen'])}")


def _is_configured_ipv6(info: dict[str, Any]) -> bool:
    """Return whether it is neither link-local nor made from a router's advertisement, which differ per interface."""
    return info["family"] == "inet6" and info.get("scope") == "global" and not info.get("dynamic")


@dataclass(frozen=True)
class Route:
    """A default route.

    Args:
        gateway: None if the network is directly connected. Of a route with several next hops: all, separated by `, `.
        interface: Likewise.
    """

    gateway: str | None
    interface: str


@dataclass(frozen=True)
class DefaultRoute(Fact[Route | None]):
    """The IPv4 default route; None if there is none."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("ip", "-json", "route", "show", "default"))

    def parse(self, output: Output) -> Route | None:
        """Return the first default route."""
        routes = load_json(output, "ip route")
        with parsing("ip route"):
            if not typed(list, routes):
                return None
            hops = routes[0].get("nexthops") or [routes[0]]
            gateways = [typed(str, gateway) for gateway in map(_gateway, hops) if gateway]
            return Route(
                gateway=", ".join(gateways) or None,
                interface=", ".join(typed(str, hop["dev"]) for hop in hops),
            )


def _gateway(hop: dict[str, Any]) -> str | None:
    """Return a next hop's gateway; one of the other address family is under `via` (RFC 5549)."""
    return hop.get("gateway") or (hop.get("via") or {}).get("host")


@dataclass(frozen=True)
class Reachable(Fact[bool]):
    """Whether an address answers a ping from the host.

    Args:
        address: IP address.
    """

    address: str

    def __post_init__(self) -> None:
        """Refuse what is not an address: another host may have reported it, and ping would take it for an option."""
        require_address(self.address)

    def request(self) -> Command:
        """Return the command: three pings, each waiting at most two seconds.

        As root: a Debian 13 without the recommended `linux-sysctl-defaults` lets no other user ping.
        """
        ping = ("ping", "-n", "-c", "3", "-i", "0.3", "-W", "2", "--", self.address)
        return Command(ping, sudo=True, accept=(0, 1, 2))

    def parse(self, output: Output) -> bool:
        """Return whether at least one reply arrived.

        Raises:
            FactError: Nothing was sent, so a missing reply proves nothing; or the output is not ping's.
        """
        if _FORBIDDEN in output.stderr:
            raise FactError(f"ping: {excerpt(output.stderr.strip(), 200)}")
        if output.exit_code != 0:
            return False
        if not _REPLIES.search(output.stdout):
            raise FactError(f"ping: unexpected output {excerpt(output.stdout, 80)!r}")
        return True


def require_address(text: str) -> None:
    """Check that a text is an IP address before it becomes an argument of a command.

    Raises:
        ParameterError: It is anything else, such as an option or a host name.
    """
    try:
        ipaddress.ip_address(text)
    except ValueError as problem:
        raise ParameterError(
            f"{excerpt(text, 80)!r} is not an IP address", hint="write 192.168.7.254"
        ) from problem


def require_network(text: str, where: str) -> None:
    """Check that a text is an IP network, as `192.168.0.0/20`; an address in it with its prefix length will do.

    Args:
        text: The text.
        where: The parameter, for the message.

    Raises:
        ParameterError: It is anything else.
    """
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError as problem:
        raise ParameterError(
            f"{excerpt(text, 80)!r} is not an IP network", where=where, hint="write 192.168.0.0/20"
        ) from problem
