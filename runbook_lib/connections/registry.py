"""Connections by name; other packages add some through the entry-point group `runbook_lib.connections`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from runbook_lib.connections.base import Connection
from runbook_lib.inventory import BUILT_IN_CONNECTIONS, CONNECTIONS_GROUP
from runbook_lib.plugins import find_plugins, load_class

if TYPE_CHECKING:
    from runbook_lib.inventory import Host
    from runbook_lib.secrets import Secrets

__all__ = ["connect", "connection_class"]


@functools.cache
def connection_class(name: str) -> type[Connection]:
    """Return the class of a connection.

    Args:
        name: The inventory's `connection`, such as `ssh`; the inventory refuses unknown names.

    Raises:
        InputError: The class cannot be loaded.
    """
    built_in = name in BUILT_IN_CONNECTIONS
    # Searching the metadata of all installed packages takes 10 ms or more: only for names that are not built in.
    known = find_plugins(CONNECTIONS_GROUP, BUILT_IN_CONNECTIONS, installed=not built_in)
    return load_class(known[name], Connection)  # type: ignore[type-abstract] # subclasses are concrete


def connect(host: Host, secrets: Secrets) -> Connection:
    """Return the connection to a host, not opened yet.

    Raises:
        SecretError: The host's sudo password cannot be resolved.
        InputError: The class of the connection cannot be loaded.
    """
    return connection_class(host.connection)(host, secrets)
