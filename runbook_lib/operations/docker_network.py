"""User-defined Docker networks, on which container names are resolved: on one host, and across hosts (book S8)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError, PlanRefused
from runbook_lib.facts.docker_network import Network
from runbook_lib.facts.interfaces import Interfaces
from runbook_lib.facts.kernel_features import EncryptsOverlays
from runbook_lib.facts.swarm import SwarmMembership
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan
from runbook_lib.operations import undo
from runbook_lib.operations.base import Operation
from runbook_lib.operations.swarm import require_manager

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.docker_network import NetworkState
    from runbook_lib.facts.interfaces import Interface

__all__ = ["Overlay", "Present", "overlay", "present"]

_BRIDGE_OPTION = "com.docker.network.bridge.name"
_CREATE = ("docker", "network", "create", "--label", "io.runbook.network=1")


@dataclass(frozen=True)
class Present(Operation):
    """A user-defined bridge network exists: containers on it find each other by name.

    Args:
        name: The network's name.
        subnet: Its addresses, as `10.77.0.0/24`; empty: the engine chooses. Only in a network with a subnet of its
            own can a container be given a certain address.
        bridge: A bridge of the host, as `br102`, that the network uses; empty: the engine makes one.
        gateway: The containers' gateway; with `bridge`, the address that the host has on it.
        address_range: The addresses that containers may get, if other machines are in the subnet too.

    Raises:
        ParameterError: It is not a subnet, or gateway or range are not in it.
    """

    name: str
    subnet: str = ""
    bridge: str = ""
    gateway: str = ""
    address_range: str = ""

    def __post_init__(self) -> None:
        """Refuse what is not a subnet, and what is not in it."""
        _check_subnet(self.subnet, self.name)
        _check_subnet(self.address_range, self.name)
        where = f"network {self.name}"
        if self.bridge and not self.gateway:
            raise ParameterError(
                f"no gateway is given for the bridge {self.bridge}",
                where=where,
                hint="give the host's address on that bridge: Docker removes any other address",
            )
        for inside in filter(None, (self.gateway, self.address_range)):
            if not self.subnet or not _is_within(inside, self.subnet):
                raise ParameterError(
                    f"{inside} is not in the subnet {self.subnet or '(none)'}", where=where, hint="give both"
                )

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the network, and the host's addresses if the subnet must not overlap with them."""
        return (Network(self.name), *((Interfaces(),) if self.subnet else ()))

    def plan(self, facts: Facts) -> Plan:
        """Create the network if it does not exist."""
        network = facts[Network(self.name)]
        if network is None:
            if self.subnet:
                interfaces = facts[Interfaces()]
                _refuse_overlap(self.subnet, [item for item in interfaces if item.name != self.bridge])
                self._refuse_bridge(interfaces)
            create = (*_CREATE, *_subnet(self.subnet), *self._options, self.name)
            return Plan(
                commands=(Command(create, sudo=True, purpose="a network that resolves container names"),),
                rollback=(undo.remove_network(self.name),),
            )
        self._refuse_taken(network)
        return Plan()

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the network exists, is a bridge network, and has the given subnet, bridge, gateway and range."""
        network = facts[Network(self.name)]
        checks = [_driver_check(self.name, "bridge", network)]
        checks += _subnet_check(self.name, self.subnet, network)
        for what, wanted, current in (
            ("bridge", self.bridge, network.bridge if network else ""),
            ("gateway", self.gateway, network.gateway if network else ""),
            ("address_range", self.address_range, network.address_range if network else ""),
        ):
            if wanted:
                label = f"{what.replace('_', ' ')} of {self.name}"
                checks.append(Check.equal(label, wanted, current or "none", f"docker_network.{what}"))
        return checks

    @property
    def _options(self) -> tuple[str, ...]:
        options: tuple[str, ...] = ("--ip-range", self.address_range) if self.address_range else ()
        options += ("--gateway", self.gateway) if self.gateway else ()
        return options + (("--opt", f"{_BRIDGE_OPTION}={self.bridge}") if self.bridge else ())

    def _refuse_taken(self, network: NetworkState) -> None:
        if network.driver != "bridge" or self.subnet not in {"", network.subnet}:
            raise PlanRefused(
                f"network {self.name!r} exists with driver {network.driver!r} and subnet {network.subnet or 'none'}",
                hint="choose another network name",
            )
        differs = {
            "bridge": (self.bridge, network.bridge),
            "gateway": (self.gateway, network.gateway),
            "range": (self.address_range, network.address_range),
        }
        for what, (wanted, current) in differs.items():
            if wanted not in {"", current}:
                raise PlanRefused(
                    f"network {self.name!r} exists with the {what} {current or 'none'}, not {wanted}: a network cannot "
                    "be changed",
                    hint=f"remove its containers, then the network: `docker network rm {self.name}`",
                )

    def _refuse_bridge(self, interfaces: tuple[Interface, ...]) -> None:
        if not self.bridge:
            return
        bridge = next((item for item in interfaces if item.name == self.bridge), None)
        if bridge is None or bridge.kind != "bridge":
            raise PlanRefused(
                f"{self.bridge} is not a bridge of this host: Docker would make one without a port to the network",
                hint="make the bridge in an earlier step: bridge.present(...)",
            )
        if self.gateway not in {address.partition("/")[0] for address in bridge.addresses}:
            raise PlanRefused(
                f"{self.bridge} does not have the address {self.gateway}, but {', '.join(bridge.addresses) or 'none'}: "
                "Docker would replace it",
                hint=f"give an address of {self.bridge} as the gateway",
            )


@dataclass(frozen=True)
class Overlay(Operation):
    """A swarm's overlay network exists, and containers on every host of the swarm may join it: one tenant's network.

    Only managers create such networks. A worker sees the network once one of its containers is in it.

    Args:
        name: The network's name.
        subnet: Its addresses, as `10.77.1.0/24`; it must be used nowhere else.
        encrypted: Whether the traffic between hosts is encrypted; that needs ESP in the kernel of every host.

    Raises:
        ParameterError: It is not a subnet.
    """

    name: str
    subnet: str
    encrypted: bool = False

    def __post_init__(self) -> None:
        """Refuse what is not a subnet."""
        _check_subnet(self.subnet, self.name)

    def facts(self) -> Sequence[Fact[Any]]:
        """Return network, swarm and addresses; if traffic is encrypted, whether the kernel can do it."""
        kernel = (EncryptsOverlays(),) if self.encrypted else ()
        return (Network(self.name), SwarmMembership(), Interfaces(), *kernel)

    def plan(self, facts: Facts) -> Plan:
        """Create the network if it does not exist."""
        network, swarm = facts[Network(self.name)], facts[SwarmMembership()]
        if self.encrypted and not facts[EncryptsOverlays()]:
            raise PlanRefused(
                f"network {self.name!r} cannot be encrypted: the kernel has no ESP, and every packet between the "
                "hosts would be lost without an error",
                hint="use a kernel with CONFIG_INET_ESP and CONFIG_CRYPTO_GCM, or encrypted=False on a trusted network",
            )
        if network is not None:
            self._refuse_taken(network)
            return Plan()
        require_manager(f"network {self.name!r}", swarm)
        interfaces = facts[Interfaces()]
        _refuse_overlap(self.subnet, interfaces)
        options = ("--opt", "encrypted") if self.encrypted else ()
        create = (*_CREATE, "--driver", "overlay", "--attachable", *options, *_subnet(self.subnet), self.name)
        return Plan(
            commands=(Command(create, sudo=True, purpose="a network across the swarm's hosts"),),
            rollback=(undo.remove_network(self.name),),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check driver, subnet, whether containers may join, encryption, and that it has an identifier of its own."""
        network = facts[Network(self.name)]
        checks = [_driver_check(self.name, "overlay", network)]
        if network is None:
            return checks
        may_join = Check.equal(
            f"containers may join {self.name}",
            expected=True,
            observed=network.attachable,
            id="docker_network.attachable",
        )
        encrypted = Check.equal(
            f"{self.name} is encrypted", self.encrypted, network.encrypted, "docker_network.encrypted"
        )
        vni = Check(
            f"VXLAN network identifier of {self.name}",
            "a number",
            network.vni or "none",
            holds=network.vni.isdecimal(),
            id="docker_network.vni",
        )
        return [*checks, *_subnet_check(self.name, self.subnet, network), may_join, encrypted, vni]

    def _refuse_taken(self, network: NetworkState) -> None:
        if network.driver != "overlay":
            raise PlanRefused(
                f"the name {self.name!r} is taken by another network, with driver {network.driver!r}",
                hint=f"choose another network name, or remove that network: `docker network rm {self.name}`",
            )
        differs = {
            "subnet": (self.subnet, network.subnet),
            "encryption": (self.encrypted, network.encrypted),
            "attachable": (True, network.attachable),
        }
        for what, (wanted, current) in differs.items():
            if wanted != current:
                raise PlanRefused(
                    f"network {self.name!r} exists with {what} {current}, not {wanted}: a network cannot be changed",
                    hint=f"remove its containers, then the network: `docker network rm {self.name}`",
                )


def _check_subnet(subnet: str, name: str) -> None:
    try:
        if subnet:
            ipaddress.IPv4Network(subnet)
    except ValueError as problem:
        raise ParameterError(
            f"{subnet!r} is not a subnet: {problem}", where=f"network {name}", hint="as in 10.77.1.0/24"
        ) from problem


def _is_within(inside: str, subnet: str) -> bool:
    try:
        return ipaddress.IPv4Network(inside).subnet_of(ipaddress.IPv4Network(subnet))
    except ValueError:
        return False


def _refuse_overlap(subnet: str, interfaces: Sequence[Interface]) -> None:
    wanted = ipaddress.IPv4Network(subnet)
    for interface in interfaces:
        for address in interface.addresses:
            if wanted.overlaps(ipaddress.IPv4Interface(address).network):
                raise PlanRefused(
                    f"subnet {subnet} overlaps with the host's own network: {interface.name} has {address}",
                    hint="choose a subnet that is used nowhere else",
                )


def _subnet(subnet: str) -> tuple[str, ...]:
    return ("--subnet", subnet) if subnet else ()


def _driver_check(name: str, driver: str, network: NetworkState | None) -> Check:
    return Check.equal(
        f"network {name}", driver, network.driver if network else "missing", "docker_network.driver"
    )


def _subnet_check(name: str, subnet: str, network: NetworkState | None) -> list[Check]:
    if not subnet:
        return []
    current = (network.subnet if network else "") or "none"
    return [Check.equal(f"subnet of {name}", subnet, current, "docker_network.subnet")]


present = Present
overlay = Overlay
