"""Where a host's SSH server is reached from this machine, and whether it answers there."""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.connections.network_namespace import open_socket
from runbook_lib.errors import LabError
from runbook_lib.lab.system.subprocesses import tail, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lab.hosts.host import LabHost
    from runbook_lib.lab.system.paths import Places

__all__ = ["Reach", "wait_for_login"]

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


def wait_for_login(places: Places, name: str, host: LabHost, timeout: float) -> None:
    """Wait for the SSH server's greeting, then for a login that succeeds.

    Args:
        places: The lab's places; the ssh_config is there.
        name: The host's name.
        host: The host.
        timeout: Seconds for each.

    Raises:
        LabError: It does not come, or the host went off; the hint shows the end of the console.
    """

    def greets() -> bool | None:
        if not host.running():
            raise LabError(
                "went off before it let anybody log in",
                where=name,
                hint=f"{host.console} ends with: {tail(host.console)}",
            )
        return host.answers() or None

    def lets_in() -> bool | None:
        command = ["ssh", "-F", str(places.ssh / "ssh_config"), name, "true"]
        login = subprocess.run(command, check=False, capture_output=True, timeout=60)
        return login.returncode == 0 or None

    wait_for(greets, f"the SSH server of {name}", timeout=timeout, log=host.console)
    wait_for(lets_in, f"a login on {name}", timeout=timeout, log=host.console)
