"""The ways to a host by their names in the inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.connections.local import LocalConnection
from runbook_lib.connections.ssh import SshConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.connections.base import Connection
    from runbook_lib.inventory import Host
    from runbook_lib.secrets import Secrets

__all__ = ["connect"]

_WAYS: dict[str, Callable[[Host, Secrets], Connection]] = {"ssh": SshConnection, "local": LocalConnection}


def connect(host: Host, secrets: Secrets) -> Connection:
    """Return the (not yet opened) connection to a host.

    Raises:
        SecretError: The host's sudo password cannot be resolved.
    """
    return _WAYS[host.connection](host, secrets)
