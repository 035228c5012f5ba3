"""Inventories: hosts, groups, and which hosts a pattern selects. The settings of a host are in `host_settings.py`.

An inventory file of our own::

    hosts:
      host-a:
        address: 192.168.7.31
        user: ops
        identity_file: ~/.ssh/id_ed25519
        known_hosts: ~/.ssh/known_hosts
        variables: {bridge_address: 192.168.7.31/20}
    groups:
      docker: [host-a]

`inventories` reads the other kinds, each into the same form.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.connections.registry import find_kind
from runbook_lib.errors import InputError, InventoryError
from runbook_lib.host_settings import Host
from runbook_lib.inventories.kinds import read_sources
from runbook_lib.inventories.named_paths import with_whole_paths
from runbook_lib.known_names import did_you_mean
from runbook_lib.yaml_files import validate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.inventories.source import HostEntry, Source

__all__ = ["Inventory"]

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_ALL = "all"


class Inventory:
    """The hosts of an inventory, selected by name, group or pattern.

    Args:
        hosts: By name.
        groups: The members of each group.
        path: The file or files; None: the hosts come from no file.
        sha256: Of the file, or of what a program printed; of several, the SHA-256 of their sums, one a line.
        kind: `yaml`, `ansible`, `json`, `ssh_config` or `program`; of several, all kinds, separated by commas.
    """

    def __init__(
        self,
        hosts: dict[str, Host],
        groups: dict[str, list[str]],
        path: Path | None = None,
        sha256: str = "",
        kind: str = "",
    ) -> None:
        self.hosts = hosts
        self.groups = groups
        self.path = path
        self.sha256 = sha256
        self.kind = kind

    @classmethod
    def load(cls, path: str | Path) -> Inventory:
        """Read an inventory.

        Args:
            path: A file of any kind, a directory of files, `ansible:PATH` or `ssh_config:PATH`, or several of these
                separated by commas. Absolute, or relative to the current directory or one of its parents.

        Raises:
            InventoryError: With file, line and a hint.
        """
        return cls.of_sources(read_sources(str(path)))

    @classmethod
    def of_sources(cls, sources: Sequence[Source]) -> Inventory:
        """Put together what several inventories say.

        Raises:
            InventoryError: Two of them have the same name, a host's settings are wrong, or there is no host.
        """
        _require_distinct_names(sources)
        hosts = {
            name: _host(name, entry, source.name)
            for source in sources
            for name, entry in source.hosts.items()
        }
        names = ",".join(source.name for source in sources)
        if not hosts:
            raise InventoryError(
                "has no hosts", where=names, hint="see docs/inventories.md for what can be read"
            )
        groups: dict[str, list[str]] = {}
        for source in sources:
            for group, members in source.groups.items():
                groups[group] = [*dict.fromkeys([*groups.get(group, ()), *members])]
        sums = [source.sha256 for source in sources]
        digest = (
            sums[0]
            if len(sums) == 1
            else hashlib.sha256("".join(f"{one}\n" for one in sums).encode()).hexdigest()
        )
        kinds = ",".join(dict.fromkeys(source.kind for source in sources))
        return cls(hosts, groups, Path(names), digest, kinds)

    def select(self, pattern: str) -> list[Host]:
        """Return the hosts that `pattern` selects, in the order of the file.

        Args:
            pattern: `all`, or names, groups and shell patterns separated by commas or colons;
                a part that starts with `!` excludes hosts, wherever it stands.

        Raises:
            InventoryError: A part matches no host, or no host is left.
        """
        chosen: set[str] = set()
        excluded: set[str] = set()
        for part in filter(None, (piece.strip() for piece in pattern.replace(":", ",").split(","))):
            (excluded if part.startswith("!") else chosen).update(self._match(part.removeprefix("!")))
        chosen -= excluded
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
                f"unknown host or group {part!r}",
                where=str(self.path or "inventory"),
                hint=f"{did_you_mean(part, [*self.hosts, *self.groups])}{self._known()}",
            )
        return matched

    def _known(self) -> str:
        return f"known hosts: {', '.join(self.hosts) or 'none'}; known groups: {', '.join(self.groups) or 'none'}"


def _host(name: str, entry: HostEntry, inventory: str) -> Host:
    settings = {**with_whole_paths(entry.settings, inventory), "name": name}
    host = validate(Host, settings, InventoryError, entry.where)
    try:
        find_kind(host.connection)
    except InputError as problem:
        raise InventoryError(problem.message, where=entry.where, hint=problem.hint) from problem
    return host


def _require_distinct_names(sources: Sequence[Source]) -> None:
    """Raise unless each name selects one thing: host names are compared as DNS does, without regard to case.

    A group may have members in several sources.
    """
    places: dict[str, tuple[str, str]] = {}
    for section in ("host", "group"):
        for source in sources:
            for name in source.hosts if section == "host" else source.groups:
                kind, where = f"{section} {name!r}", source.places.get((section, name), source.name)
                _require_selectable(section, name, where)
                earlier, place = places.get(name.lower(), ("", ""))
                if earlier and not (section == "group" and earlier == kind and place != where):
                    line = (
                        f"line {place.rpartition('line ')[2]}"
                        if place.startswith(f"{source.name}, ")
                        else place
                    )
                    raise InventoryError(
                        f"{kind} has the name of {earlier} ({line})", where=where, hint="rename one of them"
                    )
                places[name.lower()] = kind, where


def _require_selectable(section: str, name: str, where: str) -> None:
    if name.lower() == _ALL:
        raise InventoryError(
            f"{section} {name!r} cannot have this name: `all` selects every host",
            where=where,
            hint="rename it",
        )
    if section == "group" and not re.fullmatch(_NAME, name):
        raise InventoryError(
            f"{section} {name!r} could not be selected by this name",
            where=where,
            hint="use letters, digits, `.`, `_` and `-`",
        )
