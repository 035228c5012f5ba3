"""A bridge that joins a host's network interface and its containers (book S4), configured for ifupdown."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError, PlanRefused
from runbook_lib.facts.file import FileText
from runbook_lib.facts.interfaces import DefaultRoute, Interface, Interfaces, Reachable
from runbook_lib.facts.network_stack import ConfiguredElsewhere, NetworkStack
from runbook_lib.model.plans import Check, Plan
from runbook_lib.operations.base import Operation
from runbook_lib.operations.bridge_file import BridgeFile
from runbook_lib.operations.commit_confirm import GuardedChange, GuardedFile, pending, refuse_pending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["INTERFACES_FILE", "Present", "present"]

INTERFACES_FILE = "/etc/network/interfaces"
"""Where ifupdown keeps its configuration."""

_GUEST = re.compile(r"^(veth[0-9a-f]{7}|vnet\d+|tap\d+\S*)$")  # ports of containers and virtual machines


@dataclass(frozen=True)
class Present(Operation):
    """A bridge has the host's physical interface as its port, and the host's address.

    Applied under a revert timer on the host: unless the checks hold over a new connection, the host restores its
    old configuration.

    Args:
        name: As `br0`.
        port: The physical interface, as `em1`.
        address: The host's own address with prefix length, as `192.168.7.31/20`.
        gateway: Default gateway within that subnet; None leaves routes alone.
        nameservers: For the line `dns-nameservers`.
        revert_after: Seconds until the host reverts an unconfirmed change.
    """

    name: str
    port: str
    address: str
    gateway: str | None = None
    nameservers: tuple[str, ...] = ()
    revert_after: float = 60.0

    def __post_init__(self) -> None:
        """Refuse invalid addresses before any host is touched."""
        try:
            subnet = ipaddress.ip_interface(self.address).network
            for nameserver in self.nameservers:
                ipaddress.ip_address(nameserver)
            outside = self.gateway is not None and ipaddress.ip_address(self.gateway) not in subnet
        except ValueError as problem:
            raise ParameterError(
                str(problem), where=f"bridge {self.name}", hint="write 192.168.7.31/20 and 192.168.7.254"
            ) from problem
        if "/" not in self.address:
            raise ParameterError(
                f"address {self.address!r} has no prefix length", where=f"bridge {self.name}"
            )
        if outside:
            raise ParameterError(
                f"gateway {self.gateway} is not in {subnet}",
                where=f"bridge {self.name}",
                hint="set a gateway in that subnet",
            )

    @property
    def settle(self) -> float:
        """A new bridge takes some seconds until it forwards packets."""
        return 8.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return interfaces, routes, the configuration and the software that manages it, and the gateway's answer."""
        gateway = (Reachable(self.gateway),) if self.gateway else ()
        return (
            NetworkStack(),
            # These come first, in this order: the facts read after them are not about to be reverted.
            *pending(),
            ConfiguredElsewhere(),
            Interfaces(),
            DefaultRoute(),
            FileText(INTERFACES_FILE),
            *gateway,
        )

    def plan(self, facts: Facts) -> Plan:
        """Replace the configuration unless the bridge is in the desired state."""
        refuse_pending(facts, self.revert_after)
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        self._refuse_unsafe(facts)
        before = facts[FileText(INTERFACES_FILE)]
        after = self._file(facts).changed(_mac(_named(facts, self.port)))
        return GuardedChange(
            files=(GuardedFile(INTERFACES_FILE, before, after),),
            stop_old=f"ifdown --force {self.name} 2>/dev/null || true\nifdown --force {self.port}",
            start_new=f"ip address flush dev {self.port}\nifup {self.port}\nifup {self.name}",
            stop_new=f"ifdown --force {self.name} || true\n"
            f"ip link delete {self.name} type bridge 2>/dev/null || true\nifdown --force {self.port} || true",
            start_old=f"ip address flush dev {self.port}\nifup --force {self.port}\n"
            f"! grep -q '^auto {self.name}' {INTERFACES_FILE} || ifup --force {self.name}",
            timeout=self.revert_after,
        ).plan()

    def verify(self, facts: Facts) -> list[Check]:
        """Check bridge, port, address, routes, gateway, and that the configuration file has all of it."""
        bridge, port = _named(facts, self.name), _named(facts, self.port)
        missing = self._file(facts).missing()
        addresses = self._file(facts).addresses()
        checks = [
            Check.equal(
                f"{self.name} is a bridge", "bridge", bridge.kind if bridge else "missing", "bridge.kind"
            ),
            Check.equal(
                f"{self.port} is a port of", self.name, port.master if port else "missing", "bridge.port"
            ),
            Check(
                f"{self.name} has the address",
                ", ".join(addresses),
                _addresses(bridge),
                holds=bridge is not None and set(addresses) <= set(bridge.addresses),
                id="bridge.address",
            ),
            Check.equal(f"{self.port} has addresses", "none", _addresses(port), "bridge.port_address"),
            Check.equal(
                f"{self.name} runs the spanning tree protocol",
                expected=False,
                observed=bridge.stp if bridge else None,
                id="bridge.stp",
            ),
            Check.equal(
                f"{INTERFACES_FILE} has the configuration",
                "all lines",
                f"without {missing[0]!r}" if missing else "all lines",
                "bridge.configuration",
            ),
        ]
        if self.gateway:
            route = facts[DefaultRoute()]
            default = f"{route.gateway} on {route.interface}" if route else "none"
            answer = "a reply" if facts[Reachable(self.gateway)] else "no reply"
            checks.append(
                Check.equal(
                    "the default route", f"{self.gateway} on {self.name}", default, "bridge.default_route"
                )
            )
            checks.append(
                Check.equal(f"ping to the gateway {self.gateway}", "a reply", answer, "bridge.gateway")
            )
        return checks

    def _file(self, facts: Facts) -> BridgeFile:
        text = facts[FileText(INTERFACES_FILE)] or ""
        return BridgeFile(text, self.name, self.port, self.address, self.gateway, self.nameservers)

    def _refuse_unsafe(self, facts: Facts) -> None:
        stack = facts[NetworkStack()]
        others = [name for name in stack if name in {"netplan", "networkmanager", "systemd-networkd"}]
        if "ifupdown" not in stack or others:
            raise PlanRefused(
                f"the network is configured by {', '.join(others) or 'unknown software'}, not by ifupdown only",
                hint="only ifupdown is supported so far: configure the bridge by hand on this host, then validate",
            )
        if "bridge-utils" not in stack:
            raise PlanRefused(
                "bridge-utils is not installed", hint="apt-get install bridge-utils on the host"
            )
        self._refuse_lost_configuration(facts)
        self._refuse_wrong_port(facts)
        self._refuse_foreign_bridge(facts)
        self._refuse_unconfigured(facts, self._file(facts).addresses())

    def _refuse_lost_configuration(self, facts: Facts) -> None:
        file = self._file(facts)
        if file.ipv6():
            raise PlanRefused(
                f"{self.port} has an IPv6 configuration in {INTERFACES_FILE}, which would be lost",
                hint=f"move that stanza to {self.name} by hand, then run this again",
            )
        obstacles = file.obstacles()
        if obstacles:
            raise PlanRefused(
                f"{INTERFACES_FILE} has lines about {self.port} that can be neither kept nor moved to {self.name} "
                f"without knowing what they are for: {'; '.join(map(repr, obstacles))}",
                hint=f"move them to {self.name} by hand, or remove them, then run this again",
            )
        own = re.compile(rf"({re.escape(self.port)}|{re.escape(self.name)})([.:].*)?")
        elsewhere = [name for name in facts[ConfiguredElsewhere()] if own.fullmatch(name)]
        if elsewhere:
            standard = all("/etc/network/interfaces.d" in line for line in file.includes)
            place = (
                "/etc/network/interfaces.d"
                if standard
                else f"a file that {INTERFACES_FILE} includes ({'; '.join(file.includes)})"
            )
            raise PlanRefused(
                f"{elsewhere[0]} is configured in {place}, which this operation does not change",
                hint=f"move that stanza into {INTERFACES_FILE}, then run this again",
            )

    def _refuse_unconfigured(self, facts: Facts, wanted: tuple[str, ...]) -> None:
        port = _named(facts, self.port)
        extra = [address for address in (port.addresses if port else ()) if address not in wanted]
        above = [item.name for item in facts[Interfaces()] if item.name.startswith(f"{self.port}.")]
        if extra or above:
            raise PlanRefused(
                f"{self.port} also has {', '.join([*extra, *above])}, which would be lost or go down",
                hint=f"move it to {self.name} or remove it by hand, then run this again",
            )

    def _refuse_wrong_port(self, facts: Facts) -> None:
        port = _named(facts, self.port)
        if port is None:
            names = ", ".join(item.name for item in facts[Interfaces()] if not _GUEST.match(item.name))
            raise PlanRefused(f"there is no interface {self.port!r}", hint=f"interfaces are: {names}")
        if port.master not in {None, self.name}:
            raise PlanRefused(
                f"{self.port} is already a port of {port.master}", hint="choose another interface"
            )
        holder = next((item.name for item in facts[Interfaces()] if self.address in item.addresses), None)
        if holder not in {None, self.name, self.port}:
            raise PlanRefused(
                f"{self.address} is on {holder}, not on {self.port}: moving it to {self.name} would cut the host off",
                hint=f"make {holder} the bridge's port, or give the bridge another address",
            )

    def _refuse_foreign_bridge(self, facts: Facts) -> None:
        ports = [item for item in facts[Interfaces()] if item.master == self.name]
        foreign = [item.name for item in ports if item.name != self.port and not _GUEST.match(item.name)]
        if foreign:
            raise PlanRefused(
                f"{self.name} exists with other ports: {', '.join(foreign)}",
                hint="choose another name, or remove those ports by hand",
            )
        guests = [item.name for item in ports if _GUEST.match(item.name)]
        if guests:
            raise PlanRefused(
                f"{self.name} is not in the desired state, but containers are attached to it ({', '.join(guests)}): "
                "rebuilding it would disconnect them",
                hint="stop the containers on that host, then run this again",
            )


def _named(facts: Facts, name: str) -> Interface | None:
    return next((item for item in facts[Interfaces()] if item.name == name), None)


def _mac(interface: Interface | None) -> str:
    return interface.mac if interface else ""


def _addresses(interface: Interface | None) -> str:
    return (", ".join(interface.addresses) or "none") if interface else "missing"


present = Present
