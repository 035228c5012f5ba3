"""Request kernels from the fork server, and represent them as `subprocess.Popen` would."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.execution.warm_kernels import protocol

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["ForkRefused", "ForkedProcess", "fork", "preload"]

_log = logging.getLogger(__name__)
_LOAD_TIMEOUT = 60.0  # seconds that the server may take to import its libraries


class ForkRefused(Exception):  # noqa: N818 - not an error: a cold kernel is started instead
    """The fork server does not fork this kernel; the message is the reason."""


class ForkedProcess:
    """A forked kernel with the interface of `subprocess.Popen`; it is a child of the fork server.

    Args:
        pid: Its process id and process group id.
        connection: To the fork server, which kills the kernel once this closes.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self._receive_exit_code(0.0)

    def wait(self) -> int:
        """Wait until it exits, and return the exit code."""
        code = self._receive_exit_code(None)
        return -signal.SIGKILL if code is None else code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it is running."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to exit."""
        self.send_signal(signal.SIGTERM)

    def _receive_exit_code(self, timeout: float | None) -> int | None:
        if self.returncode is not None:
            return self.returncode
        self._connection.settimeout(timeout)
        try:
            message = protocol.unpack(self._connection.recv(protocol.LIMIT))
        except BlockingIOError:
            return None
        except OSError:
            message = {}
        self._connection.close()
        self.returncode = message["exit"] if message else self._kill_orphan()
        return self.returncode

    def _kill_orphan(self) -> int:
        """Kill a kernel whose server died: its exit code could not be learned any more."""
        _log.warning("the fork server has died: killing kernel %d", self.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return -signal.SIGKILL


def preload(connections: Collection[str]) -> None:
    """Have the fork server load what kernels need to reach hosts, if this command has a server; nothing is waited for.

    Args:
        connections: The kinds of connection; those that other packages provide are loaded by the kernels themselves.
    """
    server = os.environ.get(protocol.SERVER)
    if server and connections:
        with contextlib.suppress(OSError), protocol.connect(server) as connection:
            connection.send(protocol.pack(connections=sorted(connections)))


def fork(  # noqa: PLR0913 - as `jupyter_client.launcher.launch_kernel`
    cmd: list[str],
    *,
    env: dict[str, str],
    cwd: str | None = None,
    stdin: int | None = None,  # noqa: ARG001 - a kernel's is always empty
    stdout: int | None = None,
    stderr: int | None = None,
    independent: bool = False,
    **options: Any,  # noqa: ANN401 - Popen's
) -> ForkedProcess:
    """Request a kernel from the fork server.

    Args:
        cmd: Its command line.
        env: All of its environment.
        cwd: Its directory; None: the current one.
        stdin: Ignored.
        stdout: A descriptor; None: this process's own.
        stderr: As `stdout`.
        independent: Whether it is to outlive this process.
        options: Other options of `subprocess.Popen`.

    Raises:
        OSError: The server cannot be reached.
        ForkRefused: A fork would not be the kernel that is requested.
    """
    server = os.environ.get(protocol.SERVER)
    if not server:
        raise ForkRefused("this command has no fork server")
    if independent or options or any(stream is not None and stream < 0 for stream in (stdout, stderr)):
        raise ForkRefused("it has options that only a new program can have")
    environment = {**env, "JPY_PARENT_PID": str(os.getpid())}
    request = protocol.pack(argv=cmd, cwd=str(cwd or Path.cwd()), environment=environment)
    with contextlib.ExitStack() as failed:
        connection = failed.enter_context(protocol.connect(server))
        connection.settimeout(_LOAD_TIMEOUT)
        socket.send_fds(
            connection, [request], [1 if stdout is None else stdout, 2 if stderr is None else stderr]
        )
        answer = protocol.unpack(connection.recv(protocol.LIMIT))
        if "pid" not in answer:
            raise ForkRefused(answer.get("refused", "the fork server has died"))
        failed.pop_all()
    return ForkedProcess(answer["pid"], connection)
