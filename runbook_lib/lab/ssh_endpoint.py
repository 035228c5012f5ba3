"""Where a lab host's SSH server is, seen from this machine, and whether it answers."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.connections.network_namespace import open_socket

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["SshEndpoint"]

_SSH_PORT = 22


@dataclass(frozen=True)
class SshEndpoint:
    """Address and port of an SSH server, and the network namespace to connect from.

    Args:
        address: IP address.
        port: TCP port.
        namespace: File of the network namespace; this machine's own without it.
    """

    address: str
    port: int = _SSH_PORT
    namespace: Path | None = None

    @property
    def known_as(self) -> str:
        """The server's name in a known_hosts file (sshd(8))."""
        return self.address if self.port == _SSH_PORT else f"[{self.address}]:{self.port}"

    def sends_banner(self, within: float = 1.0) -> bool:
        """Return whether an SSH server accepts a connection within 1 s, and sends its banner.

        Args:
            within: Seconds for the banner: an emulated host on a busy machine may need some.
        """
        try:
            with self._connect() as connection:
                connection.settimeout(within)
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _connect(self) -> socket.socket:
        if self.namespace:
            return open_socket(str(self.namespace), self.address, self.port, 1.0)
        return socket.create_connection((self.address, self.port), timeout=1.0)
