"""The topology file: read strictly, with the line in each error; see `lab.topology` for what it describes."""

from __future__ import annotations

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
    _refuse_duplicate_addresses(file, top.control, hosts)
    by_name = {name.casefold(): name for name in hosts}  # as inventories compare names
    for group, members in top.groups.items():
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
