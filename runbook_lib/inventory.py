"""Inventory files: hosts, groups, and which hosts a pattern selects. The settings of a host are in `model/host.py`.

An inventory file::

    hosts:
      host-a:
        address: 192.168.7.31
        user: ops
        identity_file: ~/.ssh/id_ed25519
        known_hosts: ~/.ssh/known_hosts
        variables: {bridge_address: 192.168.7.31/20}
    groups:
      docker: [host-a]
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from runbook_lib.connections.registry import find_kind
from runbook_lib.errors import InputError, InventoryError
from runbook_lib.model.host import Host
from runbook_lib.yaml_files import YamlFile, find_upwards, validate

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Inventory"]

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_ALL = "all"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    hosts: dict[str, dict[str, Any]]
    groups: dict[str, list[str]] = Field(default_factory=dict)


def _require_distinct_names(top: _File, file: YamlFile) -> None:
    """Raise unless each name selects one thing: host names are compared as DNS does, without regard to case."""
    places: dict[str, tuple[str, str]] = {}
    for section, names in (("hosts", top.hosts), ("groups", top.groups)):
        for name in names:
            where = f"{file.path}, line {file.line((section, name))}"
            kind = f"{section.removesuffix('s')} {name!r}"
            if name.lower() == _ALL:
                raise InventoryError(
                    f"{kind} cannot have this name: `all` selects every host", where=where, hint="rename it"
                )
            if section == "groups" and not re.fullmatch(_NAME, name):
                raise InventoryError(
                    f"{kind} could not be selected by this name",
                    where=where,
                    hint="use letters, digits, `.`, `_` and `-`",
                )
            if name.lower() in places:
                earlier, line = places[name.lower()]
                raise InventoryError(
                    f"{kind} has the name of {earlier} (line {line})", where=where, hint="rename one of them"
                )
            places[name.lower()] = kind, str(file.line((section, name)))


class Inventory:
    """The hosts of an inventory file, selected by name, group or pattern."""

    def __init__(
        self, hosts: dict[str, Host], groups: dict[str, list[str]], path: Path | None = None
    ) -> None:
        self.hosts = hosts
        self.groups = groups
        self.path = path

    @classmethod
    def load(cls, path: str | Path) -> Inventory:
        """Read an inventory file.

        Args:
            path: Absolute, or relative to the current directory or one of its parents.

        Raises:
            InventoryError: With file, line and a hint.
        """
        file = YamlFile(find_upwards(path), InventoryError)
        top = validate(_File, file.data, InventoryError, str(file.path), file)
        if not top.hosts:
            raise InventoryError(
                "has no hosts", where=str(file.path), hint="add them under hosts:, see params/example"
            )
        _require_distinct_names(top, file)
        hosts = {}
        for name, values in top.hosts.items():
            where = f"{file.path}, line {file.line(('hosts', name))}, host {name!r}"
            host = validate(Host, {**values, "name": name}, InventoryError, where)
            try:
                find_kind(host.connection)
            except InputError as problem:
                raise InventoryError(problem.message, where=where, hint=problem.hint) from problem
            hosts[name] = host
        for group, members in top.groups.items():
            for number, member in enumerate(members):
                if member not in hosts:
                    line = file.line(("groups", group, number))
                    raise InventoryError(
                        f"group {group!r} contains an unknown host, {member!r}",
                        where=f"{file.path}, line {line}",
                        hint=f"known hosts: {', '.join(hosts)}",
                    )
        return cls(hosts, top.groups, file.path)

    def select(self, pattern: str) -> list[Host]:
        """Return the hosts that `pattern` selects, in the order of the file.

        Args:
            pattern: `all`, or names, groups and shell patterns separated by commas or colons;
                a part that starts with `!` excludes hosts.

        Raises:
            InventoryError: A part matches no host, or no host is left.
        """
        chosen: set[str] = set()
        for part in filter(None, (piece.strip() for piece in pattern.replace(":", ",").split(","))):
            matched = self._match(part.removeprefix("!"))
            chosen = chosen - matched if part.startswith("!") else chosen | matched
        if not chosen:
            raise InventoryError(
                f"the pattern {pattern!r} selects no host",
                where=str(self.path or "inventory"),
                hint=self._known(),
            )
        return [host for name, host in self.hosts.items() if name in chosen]

    def _match(self, part: str) -> set[str]:
        if part == "all":
            return set(self.hosts)
        if part in self.groups:
            return set(self.groups[part])
        matched = set(fnmatch.filter(self.hosts, part))
        if not matched:
            raise InventoryError(
                f"unknown host or group {part!r}", where=str(self.path or "inventory"), hint=self._known()
            )
        return matched

    def _known(self) -> str:
        return f"known hosts: {', '.join(self.hosts) or 'none'}; known groups: {', '.join(self.groups) or 'none'}"
