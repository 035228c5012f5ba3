"""Kinds of connection by name; other packages add some through the entry-point group `runbook_lib.connections`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from runbook_lib.connections.base import Connection
from runbook_lib.errors import InputError
from runbook_lib.plugins import find_plugins, load_class

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from runbook_lib.host_settings import Host
    from runbook_lib.secrets import Secrets

__all__ = [
    "BUILT_IN",
    "GROUP",
    "connect",
    "connection_class",
    "find_kind",
    "installed_class",
    "reads_ssh_files",
]

GROUP = "runbook_lib.connections"
"""The entry-point group: the name is a host's `connection`, the object a subclass of `connections.base.Connection`."""
BUILT_IN = {
    "ssh": "runbook_lib.connections.ssh:SshConnection",
    "local": "runbook_lib.connections.local:LocalConnection",
}
"""The kinds that this package provides, as `pyproject.toml` declares them."""
_READ_SSH_FILES = frozenset({"ssh"})  # of the built-in kinds


@functools.cache  # a plugin is searched for once, not once per host
def find_kind(name: str) -> EntryPoint:
    """Return the entry point of a kind; nothing is imported.

    Args:
        name: The inventory's `connection`, such as `ssh`.

    Raises:
        InputError: There is no such kind.
    """
    # Searching the metadata of all installed packages takes 10 ms or more: only for names that are not built in.
    known = find_plugins(GROUP, BUILT_IN, installed=name not in BUILT_IN)
    if name not in known:
        raise InputError(
            f"unknown connection {name!r}; known connections: {', '.join(known)}",
            hint=f"a package adds one with an entry point in {GROUP}",
        )
    return known[name]


@functools.cache
def connection_class(name: str) -> type[Connection]:
    """Return the class of a kind.

    Args:
        name: The inventory's `connection`, such as `ssh`.

    Raises:
        InputError: There is no such kind, or its class cannot be loaded.
    """
    return load_class(find_kind(name), Connection)  # type: ignore[type-abstract] # subclasses are concrete


def reads_ssh_files(name: str) -> bool:
    """Return whether hosts of a kind are reached with keys and known_hosts files of this machine.

    A built-in kind is not loaded for that: a command that only checks its input needs no SSH library.

    Args:
        name: The inventory's `connection`, such as `ssh`.

    Raises:
        InputError: There is no such kind, or its class cannot be loaded.
    """
    return name in _READ_SSH_FILES if name in BUILT_IN else connection_class(name).reads_ssh_files


def installed_class(name: object) -> type[Connection] | None:
    """Return the class of a kind that evidence names; None if it is not installed here: then nothing is known of it."""
    try:
        return connection_class(name) if isinstance(name, str) else None
    except InputError:
        return None


def connect(host: Host, secrets: Secrets) -> Connection:
    """Return the connection to a host, not opened yet.

    Raises:
        SecretError: The host's sudo password cannot be resolved.
        InputError: The class of the connection cannot be loaded.
    """
    return connection_class(host.connection)(host, secrets)
