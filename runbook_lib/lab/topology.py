"""The lab's topology: hosts, interfaces, VLANs, groups."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from runbook_lib.errors import InputError, InventoryError
from runbook_lib.known_names import unknown_name
from runbook_lib.lab.system.debian_releases import find_release

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Control", "HostPlan", "Interface", "NetworkStackName", "Topology"]

NetworkStackName = Literal[
    "ifupdown", "networkd", "netplan-networkd", "netplan-networkmanager", "networkmanager"
]
"""The software that configures a host's network; for netplan, with its renderer."""


def _interface_address(value: str) -> str:
    interface = IPv4Interface(value)
    network = interface.network
    if (
        value != interface.with_prefixlen  # a netmask, or no length
        or network.prefixlen == interface.max_prefixlen
        or interface.ip in {network.network_address, network.broadcast_address}
    ):
        raise ValueError("must be a host's address with its prefix length, such as 192.168.7.31/20")
    return value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Control(_Strict):
    """This machine's end of the lab network."""

    vlan: int = Field(ge=1, le=4094)
    address: str

    _valid = field_validator("address")(_interface_address)

    @property
    def ip(self) -> str:
        """The address without its prefix length."""
        return str(IPv4Interface(self.address).ip)


class Interface(_Strict):
    """One network interface of a host and the VLAN it is connected to."""

    vlan: int = Field(ge=1, le=4094)
    address: str | None = None
    gateway: str | None = None

    @field_validator("address")
    @classmethod
    def _valid(cls, value: str | None) -> str | None:
        return value if value is None else _interface_address(value)

    @model_validator(mode="after")
    def _gateway_is_a_neighbour(self) -> Interface:
        if self.gateway is None:
            return self
        if self.address is None:
            raise ValueError("an interface with a gateway needs an address")
        own, gateway = IPv4Interface(self.address), IPv4Address(self.gateway)
        if gateway == own.ip or gateway not in own.network:
            raise ValueError(f"the gateway must be another address of the network {own.network}")
        return self


class HostPlan(_Strict):
    """One host as the topology describes it."""

    name: str
    kind: str = "container"
    """Name of an entry point in the group `runbook_lib.lab_hosts`."""
    distribution: Literal["bookworm", "trixie"] = "bookworm"
    """Code name of the Debian release, one of `RELEASES`."""
    engine: int | None = None
    """Major version of the Docker engine that the host's package sources offer; without it the release's own."""
    network_stack: NetworkStackName = "ifupdown"
    interfaces: dict[str, Interface] = Field(min_length=1)
    variables: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _release_has_engine(self) -> HostPlan:
        if self.engine is not None:
            try:
                find_release(self.distribution).engine_suite(self.engine)
            except InputError as problem:
                raise ValueError(f"{problem.message} ({problem.hint})") from problem
        return self

    @property
    def address(self) -> str:
        """The host's address without prefix length: the first one that an interface has."""
        return next(str(IPv4Interface(i.address).ip) for i in self.interfaces.values() if i.address)

    @property
    def first_interface(self) -> str:
        """The interface whose cable the fault `unplug` pulls."""
        return next(iter(self.interfaces))

    def port(self, interface: str) -> str:
        """Return the name of the switch port that an interface is connected to."""
        return f"{self.name}.{interface}"


class Topology:
    """Hosts with their interfaces, groups of hosts, and this machine's end of the network.

    Args:
        control: This machine's end.
        hosts: Host name -> host.
        groups: Group name -> names of hosts.
    """

    def __init__(self, control: Control, hosts: dict[str, HostPlan], groups: dict[str, list[str]]) -> None:
        self.control = control
        self.hosts = hosts
        self.groups = groups

    def only(self, names: Sequence[str]) -> Topology:
        """Return the topology reduced to some hosts.

        Args:
            names: The hosts' names.

        Raises:
            InventoryError: The topology has no host of that name.
        """
        for name in names:
            if name not in self.hosts:
                raise unknown_name(name, self.hosts, kind="host", where="lab topology", error=InventoryError)
        hosts = {name: plan for name, plan in self.hosts.items() if name in names}
        groups = {group: [m for m in members if m in hosts] for group, members in self.groups.items()}
        return Topology(self.control, hosts, groups)
