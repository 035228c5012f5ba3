"""Our own inventory files: hosts with settings and variables, groups with members and variables.

Of a variable that several places give, the host's own counts, then that of the last group in the file that has the
host, then that of the top level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from runbook_lib.errors import InventoryError
from runbook_lib.inventories.source import HostEntry, Source
from runbook_lib.yaml_files import YamlFile, validate

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_own_yaml"]

_STRICT = ConfigDict(extra="forbid", strict=True)


class _Group(BaseModel):
    model_config = _STRICT

    hosts: list[str]
    variables: dict[str, Any] = Field(default_factory=dict)


def _with_hosts(value: Any) -> Any:  # noqa: ANN401 - anything that YAML has
    """Return a group as a mapping; one that has no variables may be the list of its hosts."""
    if not isinstance(value, list | dict):
        raise PydanticCustomError("list_type", "Input should be a valid list")
    return {"hosts": value} if isinstance(value, list) else value


class _File(BaseModel):
    model_config = _STRICT

    hosts: dict[str, dict[str, Any]]
    groups: dict[str, Annotated[_Group, BeforeValidator(_with_hosts)]] = Field(default_factory=dict)
    variables: dict[str, Any] = Field(default_factory=dict)


def read_own_yaml(path: Path) -> Source:
    """Return what an inventory file of ours says.

    Raises:
        InventoryError: With file, line and a hint.
    """
    file = YamlFile(path, InventoryError)
    top = validate(_File, file.data, InventoryError, str(path), file)
    if not top.hosts:
        raise InventoryError(
            "has no hosts", where=str(path), hint="add them under hosts:, such as web-1: {address: 192.0.2.7}"
        )
    hosts = {}
    for name, settings in top.hosts.items():
        where = f"{path}, line {file.line(('hosts', name))}, host {name!r}"
        inherited = dict(top.variables)
        for group in top.groups.values():
            inherited |= group.variables if name in group.hosts else {}
        own = settings.get("variables", {})
        if inherited and isinstance(own, dict):  # anything else is refused as a setting
            settings = {**settings, "variables": {**inherited, **own}}  # noqa: PLW2901 - with what it inherits
        hosts[name] = HostEntry(settings, where)
    for name, group in top.groups.items():
        for number, member in enumerate(group.hosts):
            if member not in hosts:
                hosts_of_group = ("hosts",) if isinstance(file.data["groups"][name], dict) else ()
                line = file.line(("groups", name, *hosts_of_group, number))
                raise InventoryError(
                    f"group {name!r} contains an unknown host, {member!r}",
                    where=f"{path}, line {line}",
                    hint=f"known hosts: {', '.join(hosts)}",
                )
    places = {
        (section, name): f"{path}, line {file.line((f'{section}s', name))}"
        for section, names in (("group", top.groups), ("host", top.hosts))
        for name in names
    }
    groups = {name: group.hosts for name, group in top.groups.items()}
    return Source("yaml", str(path), file.sha256, hosts, groups, places)
