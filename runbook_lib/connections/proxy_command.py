"""The process of a ProxyCommand: its standard input and output are the connection to the host."""

from __future__ import annotations

import socket
import subprocess

from runbook_lib.errors import UnreachableError

__all__ = ["start_proxy"]


def start_proxy(command: str, place: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start a ProxyCommand, as OpenSSH does: by a shell, so that `2>/dev/null` is not an argument.

    Fabric's own implementation always fills in port 22, and never terminates the process. Ctrl-C does not reach the
    process: without the connection, nothing could be terminated or rolled back on the host.

    Args:
        command: With its tokens replaced.
        place: The host, for messages.

    Returns:
        The connection, and the process.

    Raises:
        UnreachableError: The process cannot be started.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as problem:
            ours.close()
            raise UnreachableError(
                f"proxy_command cannot be started: {problem}",
                where=place,
                hint="fix proxy_command in the inventory, or ProxyCommand in ssh_config",
            ) from problem
    return ours, process
