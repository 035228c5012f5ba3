"""A bridge that joins a host's network interface and its containers (book S4).

Which software configures it is decided for each host by who manages the port: see `bridge_backend`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError, PlanRefused
from runbook_lib.facts.interface_manager import InterfaceManager
from runbook_lib.facts.interfaces import DefaultRoute, Interface, Interfaces, Reachable
from runbook_lib.model.plans import Check, Plan
from runbook_lib.operations.base import Operation
from runbook_lib.operations.commit_confirm import check_revert_after, pending, refuse_pending
from runbook_lib.operations.network_stacks.bridge_backend import Wanted, find_interface, normalized
from runbook_lib.operations.network_stacks.bridge_ifupdown import IfupdownBridge
from runbook_lib.operations.network_stacks.bridge_netplan import (
    NetplanNetworkdBridge,
    NetplanNetworkManagerBridge,
)
from runbook_lib.operations.network_stacks.bridge_networkd import NetworkdBridge
from runbook_lib.operations.network_stacks.bridge_networkmanager import NetworkManagerBridge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.operations.network_stacks.bridge_backend import BridgeBackend

__all__ = ["BACKENDS", "Present", "present"]

BACKENDS: dict[str, type[BridgeBackend]] = {
    backend.name: backend
    for backend in (
        IfupdownBridge, NetworkdBridge, NetplanNetworkdBridge, NetplanNetworkManagerBridge, NetworkManagerBridge,
    )
}  # fmt: skip
"""By the name that `facts/interface_manager.py` gives the software that configures an interface."""
_GUEST = re.compile(r"^(veth[0-9a-f]{7}|vnet\d+|tap\d+\S*)$")  # ports of containers and virtual machines


@dataclass(frozen=True)
class Present(Operation):
    """A bridge has the host's physical interface as its port, and the host's addresses, routes and MTU.

    On each host it is configured by the software that configures the port: ifupdown, systemd-networkd, netplan with
    either renderer, or NetworkManager. What the host gets by DHCP the bridge gets by DHCP.

    Applied under a revert timer on the host: unless the checks hold over a new connection, the host restores its
    old configuration.

    Args:
        name: As `br0`.
        port: The physical interface, as `em1`.
        address: The host's own address with prefix length, as `192.168.7.31/20`; with DHCP, the one it is to keep.
        gateway: Default gateway within that subnet; None leaves routes alone.
        nameservers: Name servers; empty: the configured ones are kept.
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
        check_revert_after(self.revert_after, f"bridge {self.name}")

    @property
    def settle(self) -> float:
        """A new bridge takes some seconds until it forwards packets."""
        return 8.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return who manages the interfaces, their state and routes, and the gateway's answer."""
        gateway = (Reachable(self.gateway),) if self.gateway else ()
        return (
            # First: what is read after it is not about to be reverted.
            pending(),
            InterfaceManager(self.port),
            InterfaceManager(self.name),
            Interfaces(),
            DefaultRoute(),
            *gateway,
        )

    def further_facts(self, facts: Facts) -> Sequence[Fact[Any]]:
        """Return the configuration that the manager of the interfaces reads."""
        names = self._managers(facts)
        return BACKENDS[names[0]].needed_facts(self._wanted, facts) if len(names) == 1 else ()

    def plan(self, facts: Facts) -> Plan:
        """Replace the configuration unless the bridge is in the desired state."""
        refuse_pending(facts, self.revert_after)
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        self._refuse_wrong_port(facts)
        backend = self._backend(facts)
        if backend is None:
            raise PlanRefused(self._unmanageable(facts), hint=_one_manager(self.port, self._managers(facts)))
        self._refuse_foreign_bridge(facts)
        backend.refuse()
        self._refuse_unconfigured(facts, backend)
        return backend.change(self.revert_after).plan()

    def verify(self, facts: Facts) -> list[Check]:
        """Check bridge, port, addresses, routes, gateway, and that the configuration has all of it."""
        bridge, port = find_interface(facts, self.name), find_interface(facts, self.port)
        backend = self._backend(facts)
        addresses = backend.addresses() if backend else normalized([self.address])
        checks = [
            Check.equal(
                f"{self.name} is a bridge", "bridge", bridge.kind if bridge else "missing", "bridge.kind"
            ),
            Check.equal(
                f"bridge of {self.port}", self.name, port.master if port else "missing", "bridge.port"
            ),
            Check(
                f"{self.name} has the address",
                ", ".join(addresses),
                _addresses(bridge),
                holds=bridge is not None and set(addresses) <= {*bridge.addresses, *bridge.ipv6},
                id="bridge.address",
            ),
            Check.equal(f"addresses of {self.port}", "none", _addresses(port), "bridge.port_address"),
            Check.equal(
                f"{self.name} runs the spanning tree protocol",
                expected=False,
                observed=bridge.stp if bridge else None,
                id="bridge.stp",
            ),
            self._configuration(facts, backend),
        ]
        if backend and backend.mtu:
            mtu = f"{self.name} has the MTU"
            checks.append(Check.equal(mtu, backend.mtu, bridge.mtu if bridge else "missing", "bridge.mtu"))
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

    @property
    def _wanted(self) -> Wanted:
        return Wanted(self.name, self.port, self.address, self.gateway, self.nameservers)

    def _managers(self, facts: Facts) -> list[str]:
        """Return the software that configures the port or the bridge; more than one: it cannot be changed."""
        found = [*facts[InterfaceManager(self.port)].names, *facts[InterfaceManager(self.name)].names]
        return list(dict.fromkeys(found))

    def _backend(self, facts: Facts) -> BridgeBackend | None:
        names = self._managers(facts)
        return BACKENDS[names[0]](self._wanted, facts) if len(names) == 1 else None

    def _configuration(self, facts: Facts, backend: BridgeBackend | None) -> Check:
        """Check that the bridge will be the same after a reboot."""
        if backend is None:
            return Check(
                f"the software that configures {self.port} and {self.name}",
                f"one of {', '.join(BACKENDS)}",
                " and ".join(self._managers(facts)) or "none of them",
                holds=False,
                id="bridge.configuration",
            )
        wrong = [f"without {line!r}" for line in backend.missing()]
        wrong += [f"also with {line!r}" for line in backend.conflicts()]
        return Check.equal(
            f"{backend.title} has the configuration",
            "all lines",
            wrong[0] if wrong else "all lines",
            "bridge.configuration",
        )

    def _unmanageable(self, facts: Facts) -> str:
        names = self._managers(facts)
        if names:
            of_port = " and ".join(facts[InterfaceManager(self.port)].names) or "none of them"
            return f"{self.port} and {self.name} are configured by {' and '.join(names)} ({self.port} by {of_port})"
        return f"{self.port} is configured by none of {', '.join(BACKENDS)}"

    def _refuse_unconfigured(self, facts: Facts, backend: BridgeBackend) -> None:
        port, wanted = find_interface(facts, self.port), backend.addresses()
        own = (*port.addresses, *port.ipv6) if port else ()
        extra = [address for address in own if address not in wanted]
        above = _made_of(facts, self.port)
        if extra or above:
            raise PlanRefused(
                f"{self.port} also has {', '.join([*extra, *above])}, which would be lost or go down",
                hint=f"move it to {self.name} or remove it by hand, then run this again",
            )
        mtu, most = backend.mtu, port.max_mtu if port else 0
        if mtu and most and mtu > most:
            raise PlanRefused(
                f"{self.port} is configured with the MTU {mtu}, but takes at most {most}",
                hint=f"set an MTU that {self.port} and its network take, then run this again",
            )

    def _refuse_wrong_port(self, facts: Facts) -> None:
        port = find_interface(facts, self.port)
        if port is None:
            names = ", ".join(item.name for item in facts[Interfaces()] if not _GUEST.match(item.name))
            raise PlanRefused(f"there is no interface {self.port!r}", hint=f"interfaces are: {names}")
        if port.master not in {None, self.name}:
            raise PlanRefused(
                f"{self.port} is already a port of {port.master}", hint="choose another interface"
            )
        if not port.carrier:
            raise PlanRefused(
                f"{self.port} has no carrier: no cable, or the other end is down",
                hint="plug in the cable, or choose another interface",
            )
        holder = next((item.name for item in facts[Interfaces()] if self.address in item.addresses), None)
        if holder not in {None, self.name, self.port}:
            raise PlanRefused(
                f"{self.address} is on {holder}, not on {self.port}: moving it to {self.name} would cut the host off",
                hint=f"make {holder} the bridge's port, or give the bridge another address",
            )

    def _refuse_foreign_bridge(self, facts: Facts) -> None:
        bridge = find_interface(facts, self.name)
        if bridge and bridge.kind != "bridge":
            raise PlanRefused(
                f"{self.name} exists and is not a bridge, but {bridge.kind or 'a physical interface'}",
                hint="choose another name",
            )
        ports = [item for item in facts[Interfaces()] if item.master == self.name]
        foreign = [item.name for item in ports if item.name != self.port and not _GUEST.match(item.name)]
        if foreign:
            raise PlanRefused(
                f"{self.name} exists with other ports: {', '.join(foreign)}",
                hint="choose another name, or remove those ports by hand",
            )
        if above := _made_of(facts, self.name):
            raise PlanRefused(
                f"{self.name} is not in the desired state, but {', '.join(above)} is made of it: rebuilding it would "
                "remove that",
                hint="remove it by hand, then run this again",
            )
        guests = [item.name for item in ports if _GUEST.match(item.name)]
        if guests:
            raise PlanRefused(
                f"{self.name} is not in the desired state, but containers are attached to it ({', '.join(guests)}): "
                "rebuilding it would disconnect them",
                hint="stop the containers on that host, then run this again",
            )


def _made_of(facts: Facts, name: str) -> list[str]:
    """Return the interfaces that are made of another one, such as its VLANs: they go down with it."""
    return [
        item.name
        for item in facts[Interfaces()]
        if item.name.startswith(f"{name}.") or (item.link == name and item.kind != "veth")
    ]


def _one_manager(port: str, names: list[str]) -> str:
    if names:
        return f"let only one of them configure {port}, then run this again"
    return f"configure {port} with one of them, or make the bridge by hand on this host, then validate"


def _addresses(interface: Interface | None) -> str:
    return (", ".join([*interface.addresses, *interface.ipv6]) or "none") if interface else "missing"


present = Present
