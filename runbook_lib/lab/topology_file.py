"""The topology file: read strictly, with the line in each error; see `lab.topology` for what it describes."""

from __future__ import annotations

import re
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from runbook_lib.errors import InputError
from runbook_lib.lab.hosts.registry import host_class
from runbook_lib.lab.topology import Control, HostPlan, Topology
from runbook_lib.project import find_shipped
from runbook_lib.yaml_files import YamlFile, validate

__all__ = ["DEFAULT_TOPOLOGY", "load_topology"]

DEFAULT_TOPOLOGY = Path("params/lab/topology.yml")
_MAX_LINK_NAME = 15  # characters: IFNAMSIZ - 1
_HOST_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
# Hosts know this machine as `control`, inventories select by `all`, and the services write logs of their own names.
_RESERVED = {"all", "control", "localhost", "packages", "registry", "store"}
_GROUP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # as an inventory takes it
_INTERFACE_NAME = re.compile(r"(?!lo$)[A-Za-z][A-Za-z0-9._-]*")


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    control: Control
    hosts: dict[str, dict[str, Any]] = Field(min_length=1)
    groups: dict[str, list[str]] = Field(default_factory=dict)


def load_topology(path: str | Path = DEFAULT_TOPOLOGY) -> Topology:
    """Read a topology file.

    Args:
        path: The file, also looked for in parent directories and among the files of this package.

    Raises:
        InputError: The file is missing or wrong; the error names the line.
    """
    file = YamlFile(find_shipped(path), InputError)
    top = validate(_File, file.data, InputError, str(file.path), file)
    hosts = {name: _host(file, name, values) for name, values in top.hosts.items()}
    for plan in hosts.values():
        _refuse_unreachable(file, top.control, plan)
    _refuse_duplicate_addresses(file, top.control, hosts)
    by_name = {name.casefold(): name for name in hosts}  # as inventories compare names
    for group, members in top.groups.items():
        if not _GROUP_NAME.fullmatch(group) or group.casefold() == "all":
            raise InputError(
                f"a group cannot have the name {group!r}",
                where=f"{file.path}, line {file.line(('groups', group))}",
                hint="use letters, digits, '.', '_' and '-'; `all` selects every host",
            )
        if group.casefold() in by_name:
            raise InputError(
                f"group {group!r} has the name of host {by_name[group.casefold()]!r}",
                where=f"{file.path}, line {file.line(('groups', group))}",
                hint="rename one of them: runbooks take either where they ask for hosts",
            )
        for number, member in enumerate(members):
            if member not in hosts:
                raise InputError(
                    f"group {group!r} names the unknown host {member!r}",
                    where=f"{file.path}, line {file.line(('groups', group, number))}",
                    hint=f"known hosts: {', '.join(hosts)}",
                )
    return Topology(top.control, hosts, top.groups)


def _host(file: YamlFile, name: str, values: dict[str, Any]) -> HostPlan:
    where = f"{file.path}, line {file.line(('hosts', name))}, host {name!r}"
    data = {key: value for key, value in values.items() if key != "name"}
    if "name" in values:
        raise InputError("unknown name 'name'", where=where, hint="a host's name is its key")
    plan = validate(HostPlan, {**data, "name": name}, InputError, where)
    if not _HOST_NAME.fullmatch(name):
        raise InputError(
            "a host's name may have only lowercase letters, digits and '-'; it begins with a letter, and does not end "
            "with '-'",
            where=where,
            hint="such as host-a or cloud",
        )
    if name in _RESERVED:
        raise InputError(
            f"a host cannot have the name {name!r}: the lab uses it itself",
            where=where,
            hint="such as host-a or cloud",
        )
    for interface in plan.interfaces:
        if not _INTERFACE_NAME.fullmatch(interface):
            raise InputError(
                f"an interface cannot have the name {interface!r}",
                where=where,
                hint="begin with a letter and use letters, digits, '.', '_' and '-', such as em1; `lo` is the loopback",
            )
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


def _refuse_unreachable(file: YamlFile, control: Control, plan: HostPlan) -> None:
    """Refuse a host that control could not reach, where both are on the switch: at the host's first address."""
    if not host_class(plan.kind).uses_switch:
        return
    name, interface = next((n, i) for n, i in plan.interfaces.items() if i.address)
    network = IPv4Interface(control.address).network
    if interface.vlan == control.vlan and IPv4Interface(plan.address).ip in network:
        return
    raise InputError(
        f"control cannot reach {plan.name} at {interface.address} on VLAN {interface.vlan}",
        where=f"{file.path}, line {file.line(('hosts', plan.name, 'interfaces', name))}",
        hint=f"control is in {network} on VLAN {control.vlan}: a host's first address has to be there too",
    )


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
