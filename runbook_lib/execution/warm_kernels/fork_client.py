"""A forked kernel as its owner sees it, and how to ask the fork server for one."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from pathlib import Path
from typing import Any

from runbook_lib.execution.warm_kernels import protocol

__all__ = ["Forked", "Refused", "fork"]

_log = logging.getLogger(__name__)
_PATIENCE = 60.0  # seconds that the server may take to load its libraries


class Refused(Exception):  # noqa: N818 - an answer, which leads to a cold kernel
    """The fork server will not fork this kernel, and says why."""


class Forked:
    """A forked kernel, as `subprocess.Popen` would show it; it is no child of this process.

    Args:
        pid: Its process id, and its process group's.
        connection: To the fork server; where it closes, the kernel is ended.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self._look(0.0)

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        code = self._look(None)
        return -signal.SIGKILL if code is None else code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is not None:
            return self.returncode
        self._connection.settimeout(timeout)
        try:
            told = protocol.unpack(self._connection.recv(protocol.LIMIT))
        except BlockingIOError:
            return None
        except OSError:
            told = {}
        self._connection.close()
        self.returncode = told["exit"] if told else self._without_server()
        return self.returncode

    def _without_server(self) -> int:
        """End a kernel whose server died: nobody is left to tell how it ends."""
        _log.warning("the fork server has died: kernel %d is ended", self.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return -signal.SIGKILL


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
) -> Forked:
    """Ask the fork server for a kernel.

    Args:
        cmd: Its command line.
        env: All of its environment.
        cwd: Its directory; the current one without it.
        stdin: Ignored.
        stdout: A descriptor; this process's own without it.
        stderr: The same.
        independent: Whether it is to outlive this process.
        options: What else `subprocess.Popen` knows.

    Raises:
        OSError: There is no server, or it is gone.
        Refused: It will not.
    """
    server = os.environ.get(protocol.SERVER)
    if not server:
        raise Refused("this command has no fork server")
    if independent or options or any(stream is not None and stream < 0 for stream in (stdout, stderr)):
        raise Refused("it is started with options that only a program can have")
    environment = {**env, "JPY_PARENT_PID": str(os.getpid())}
    request = protocol.pack(argv=cmd, cwd=str(cwd or Path.cwd()), environment=environment)
    with contextlib.ExitStack() as refused:
        connection = refused.enter_context(protocol.connect(server))
        connection.settimeout(_PATIENCE)
        socket.send_fds(
            connection, [request], [1 if stdout is None else stdout, 2 if stderr is None else stderr]
        )
        told = protocol.unpack(connection.recv(protocol.LIMIT))
        if "pid" not in told:
            raise Refused(told.get("refused", "the fork server has died"))
        refused.pop_all()
    return Forked(told["pid"], connection)
