"""The lab's topology: hosts, interfaces, VLANs, groups, read strictly from `params/lab/topology.yml`."""

from __future__ import annotations

from ipaddress import IPv4Interface
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from runbook_lib.errors import InputError, InventoryError
from runbook_lib.lab.hosts.registry import host_class
from runbook_lib.yaml_files import YamlFile, find_upwards, validate

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEFAULT_TOPOLOGY", "Control", "HostPlan", "Interface", "Topology"]

DEFAULT_TOPOLOGY = Path("params/lab/topology.yml")
_MAX_LINK_NAME = 15  # characters: IFNAMSIZ - 1


def _interface_address(value: str) -> str:
    interface = IPv4Interface(value)
    if (
        interface.network.prefixlen == interface.max_prefixlen
        or interface.ip == interface.network.network_address
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


class HostPlan(_Strict):
    """One host as the topology describes it."""

    name: str
    kind: str = "container"
    """Name of an entry point in the group `runbook_lib.lab_hosts`."""
    distribution: Literal["bookworm"] = "bookworm"
    interfaces: dict[str, Interface] = Field(min_length=1)
    variables: dict[str, Any] = Field(default_factory=dict)

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


class _File(_Strict):
    control: Control
    hosts: dict[str, dict[str, Any]] = Field(min_length=1)
    groups: dict[str, list[str]] = Field(default_factory=dict)


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

    @property
    def vlans(self) -> list[int]:
        """The VLANs that the switch needs, ascending: those of control and of all hosts that use the switch."""
        switched = [host for host in self.hosts.values() if host_class(host.kind).uses_switch]
        used = {interface.vlan for host in switched for interface in host.interfaces.values()}
        return sorted(used | {self.control.vlan})

    @classmethod
    def load(cls, path: str | Path = DEFAULT_TOPOLOGY) -> Topology:
        """Read a topology file.

        Args:
            path: The file, also looked for in parent directories.

        Raises:
            InputError: The file is missing or wrong; the error names the line.
        """
        file = YamlFile(find_upwards(path), InputError)
        top = validate(_File, file.data, InputError, str(file.path), file)
        hosts = {name: _host(file, name, values) for name, values in top.hosts.items()}
        _refuse_duplicate_addresses(file, top.control, hosts)
        for group, members in top.groups.items():
            for number, member in enumerate(members):
                if member not in hosts:
                    raise InputError(
                        f"group {group!r} names the unknown host {member!r}",
                        where=f"{file.path}, line {file.line(('groups', group, number))}",
                        hint=f"known hosts: {', '.join(hosts)}",
                    )
        return cls(top.control, hosts, top.groups)

    def only(self, names: Sequence[str]) -> Topology:
        """Return the topology reduced to some hosts.

        Args:
            names: The hosts' names.

        Raises:
            InventoryError: The topology has no host of that name.
        """
        for name in names:
            if name not in self.hosts:
                raise InventoryError(
                    f"unknown host {name!r}",
                    where="lab topology",
                    hint=f"known hosts: {', '.join(self.hosts)}",
                )
        hosts = {name: plan for name, plan in self.hosts.items() if name in names}
        groups = {group: [m for m in members if m in hosts] for group, members in self.groups.items()}
        return Topology(self.control, hosts, groups)


def _host(file: YamlFile, name: str, values: dict[str, Any]) -> HostPlan:
    where = f"{file.path}, line {file.line(('hosts', name))}, host {name!r}"
    data = {key: value for key, value in values.items() if key != "name"}
    if "name" in values:
        raise InputError("unknown name 'name'", where=where, hint="a host's name is its key")
    plan = validate(HostPlan, {**data, "name": name}, InputError, where)
    if not _is_host_name(name):
        raise InputError(
            "a host's name may have only lowercase letters, digits and '-', and begins with a letter",
            where=where,
            hint="such as host-a or cloud",
        )
    for interface in plan.interfaces:
        if len(plan.port(interface)) > _MAX_LINK_NAME:
            raise InputError(
                f"{plan.port(interface)!r} is too long for the name of a network link",
                where=where,
                hint=f"host and interface together may have {_MAX_LINK_NAME - 1} characters",
            )
    try:
        kind = host_class(plan.kind)
    except InputError as problem:
        message = f"{problem.where}: {problem.message}" if problem.where else problem.message
        raise InputError(message, where=where, hint=problem.hint) from problem
    kind.check_plan(plan, where)
    if not any(interface.address for interface in plan.interfaces.values()):
        raise InputError(
            "no interface has an address",
            where=where,
            hint="give one an address: control reaches the host there",
        )
    return plan


def _is_host_name(name: str) -> bool:
    return name[:1].isalpha() and name == name.lower() and name.replace("-", "a").isalnum() and name.isascii()


def _refuse_duplicate_addresses(file: YamlFile, control: Control, hosts: dict[str, HostPlan]) -> None:
    owners = {control.ip: "control"}
    for plan in hosts.values():
        for name, interface in plan.interfaces.items():
            if interface.address is None:
                continue
            ip = str(IPv4Interface(interface.address).ip)
            if ip in owners:
                line = file.line(("hosts", plan.name, "interfaces", name, "address"))
                raise InputError(
                    f"{plan.name} {name} has the same address as {owners[ip]}: {ip}",
                    where=f"{file.path}, line {line}",
                    hint="give each interface a unique address",
                )
            owners[ip] = plan.name
