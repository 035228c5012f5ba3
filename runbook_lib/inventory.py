"""Hosts, groups and how each host is reached.

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
import functools
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from runbook_lib.errors import InventoryError
from runbook_lib.plugins import find_plugins
from runbook_lib.yaml_files import YamlFile, find_upwards, validate

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BUILT_IN_CONNECTIONS", "CONNECTIONS_GROUP", "Host", "Inventory"]

CONNECTIONS_GROUP = "runbook_lib.connections"
"""The entry-point group: the name is a host's `connection`, the object a subclass of `connections.base.Connection`."""
BUILT_IN_CONNECTIONS = {
    "ssh": "runbook_lib.connections.ssh:SshConnection",
    "local": "runbook_lib.connections.local:LocalConnection",
}
"""The connections that this package provides, as `pyproject.toml` declares them."""

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class Host(BaseModel):
    """One host and how it is reached.

    `host["name"]` gives an inventory variable of the host; a missing one is an `InventoryError`.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str = Field(pattern=_NAME)
    connection: str = Field(
        default="ssh", description="`ssh`, `local`, or a connection that an installed package provides."
    )
    address: str | None = Field(
        default=None, description="Name or IP address; default: the host's name in the inventory."
    )
    port: int = Field(default=22, ge=1, le=65535)
    user: str | None = None
    identity_file: str | None = None
    known_hosts: str | None = Field(default=None, description="Default: ~/.ssh/known_hosts.")
    sudo_password: str | None = Field(default=None, description="A secret reference, never a value.")
    proxy_command: str | None = Field(
        default=None, description="Like OpenSSH's ProxyCommand; %h, %p and %r are expanded."
    )
    network_namespace: str | None = Field(
        default=None, description="File of the network namespace to connect from; used by the lab."
    )
    connect_timeout: float = Field(default=10.0, gt=0, description="Seconds.")
    kind: Literal["machine", "container", "vm"] = "machine"
    console: str | None = Field(
        default=None, description="File on this machine that the host's serial console is written to."
    )
    lab: str | None = Field(default=None, description="Name of the lab this host belongs to, if any.")
    variables: dict[str, Any] = Field(default_factory=dict)

    @field_validator("connection")
    @classmethod
    def _known_connection(cls, value: str) -> str:
        _require_connection(value)
        return value

    @field_validator("sudo_password")
    @classmethod
    def _only_a_reference(cls, value: str | None) -> str | None:
        if value is not None and not (value.startswith("${") and value.endswith("}")):
            raise ValueError("must be a reference such as ${env:SUDO_PASSWORD}, never the password itself")
        return value

    def __getitem__(self, variable: str) -> Any:  # noqa: ANN401 - variables are the user's
        """Return an inventory variable.

        Raises:
            InventoryError: The host has no such variable.
        """
        try:
            return self.variables[variable]
        except KeyError:
            raise InventoryError(
                f"has no variable {variable!r}",
                where=self.name,
                hint=f"add it under hosts: {self.name}: variables: in the inventory",
            ) from None

    @property
    def target(self) -> str:
        """The address to connect to."""
        return self.address or self.name


@functools.cache  # a plugin is searched for once, not once per host
def _require_connection(name: str) -> None:
    if name in BUILT_IN_CONNECTIONS:
        return
    known = find_plugins(CONNECTIONS_GROUP, BUILT_IN_CONNECTIONS)
    if name not in known:
        raise ValueError(
            f"unknown connection {name!r}; known connections: {', '.join(known)}"
            f" (a package adds one with an entry point in {CONNECTIONS_GROUP})"
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    hosts: dict[str, dict[str, Any]]
    groups: dict[str, list[str]] = Field(default_factory=dict)


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
        hosts = {}
        for name, values in top.hosts.items():
            line = file.line(("hosts", name))
            hosts[name] = validate(
                Host, {**values, "name": name}, InventoryError, f"{file.path}, line {line}, host {name!r}"
            )
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
