"""Where a host's SSH server is reached from this machine, and whether it answers there."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.connections.network_namespace import open_socket

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["Reach"]

_SSH = 22


@dataclass(frozen=True)
class Reach:
    """Address and port of an SSH server, and the network namespace to connect from."""

    address: str
    port: int = _SSH
    namespace: Path | None = None

    @property
    def known_as(self) -> str:
        """The server's name in a known_hosts file (sshd(8))."""
        return self.address if self.port == _SSH else f"[{self.address}]:{self.port}"

    def greets(self) -> bool:
        """Tell whether an SSH server greets a connection within 1 s."""
        try:
            with self._connect() as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _connect(self) -> socket.socket:
        if self.namespace:
            return open_socket(str(self.namespace), self.address, self.port, 1.0)
        return socket.create_connection((self.address, self.port), timeout=1.0)
