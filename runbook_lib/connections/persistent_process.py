"""A process on a host that runs as long as its connection, or until it is released."""

from __future__ import annotations

import logging
import os
import select
import subprocess
import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from runbook_lib.connections.bounded_call import OverdueError
from runbook_lib.connections.command_wait import CommandWait
from runbook_lib.errors import UnreachableError
from runbook_lib.grace_periods import OVERDUE_CALL, PERSISTENT_PROCESS
from runbook_lib.subprocess_termination import communicate_or_kill

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from runbook_lib.connections.remote_shell import RemoteOutput

__all__ = [
    "END_OF_ANSWER",
    "MAX_ANSWER_BYTES",
    "RELEASE",
    "LocalPersistentProcess",
    "PersistentProcess",
    "SshPersistentProcess",
]

END_OF_ANSWER = "."
"""The line by which the process signals that its answer is complete and that it keeps running."""
RELEASE = "release"
"""The line that makes the process exit in an orderly way; end of input alone means that the connection is lost."""
MAX_ANSWER_BYTES = 2**20
"""Most bytes of a first answer, on each of its streams."""

_log = logging.getLogger(__name__)
_POLL = 0.1  # seconds


class PersistentProcess(Protocol):
    """A process on a host that keeps running after its first answer."""

    @property
    def alive(self) -> bool:
        """Whether the process is still running, as far as this side knows."""

    def release(self) -> None:
        """Make the process exit, and wait for that; if the connection is lost, the process has exited already.

        A process that does not exit within `PERSISTENT_PROCESS` seconds is left to itself. It is not killed: the one
        that holds a host's lock would then leave a lock file that names a run which has released the lock.
        """


class SshPersistentProcess:
    """A process at the other end of an SSH channel.

    Args:
        channel: The channel.
        guard: Closes the connection if a block outlives a wait.
    """

    def __init__(
        self,
        channel: Any,  # noqa: ANN401 - paramiko's channel
        guard: Callable[[CommandWait], AbstractContextManager[None]],
    ) -> None:
        self._channel = channel
        self._guard = guard

    @property
    def alive(self) -> bool:
        """Whether the channel is open and no exit status has arrived; see `PersistentProcess.alive`."""
        return not (self._channel.closed or self._channel.exit_status_ready() or self._channel.eof_received)

    def read_answer(self, output: RemoteOutput, answer: bytearray, wait: CommandWait) -> bool:
        """Read the rest of the answer, and return whether the process keeps running.

        Args:
            output: Gets each piece of standard output; adds to `answer` what belongs to it.
            answer: The answer so far.
            wait: When to give up.
        """
        self._channel.settimeout(_POLL)
        return _read_answer(lambda: self._channel.recv(65536), output, answer, wait)

    def release(self) -> None:
        """Make the process exit; see `PersistentProcess.release`."""
        if self._channel.closed:
            return
        try:
            with self._guard(CommandWait(PERSISTENT_PROCESS + OVERDUE_CALL)):
                if self.alive:
                    self._channel.sendall(f"{RELEASE}\n".encode())
                    self._channel.status_event.wait(PERSISTENT_PROCESS)
                self._channel.close()
        except (OverdueError, UnreachableError) as gone:
            _log.debug("the channel of a persistent process was closed: %s", gone)


class LocalPersistentProcess:
    """A process on this machine.

    Args:
        process: With three pipes.
        grace_period: Seconds to wait for its exit once it is released.
    """

    def __init__(self, process: subprocess.Popen[bytes], grace_period: float = PERSISTENT_PROCESS) -> None:
        self._process = process
        self._grace_period = grace_period
        # Also ends the process of a connection that was never closed.
        self._finalizer = weakref.finalize(self, communicate_or_kill, process, b"", grace_period)

    @property
    def alive(self) -> bool:
        """Whether the process is running; see `PersistentProcess.alive`."""
        return self._process.poll() is None

    def read_answer(self, output: RemoteOutput, answer: bytearray, wait: CommandWait) -> bool:
        """Read the answer, and return whether the process keeps running; see `SshPersistentProcess.read_answer`."""
        process = self._process
        stdin, stdout, stderr = (
            pipe.fileno() for pipe in (process.stdin, process.stdout, process.stderr) if pipe
        )
        poll = select.poll()
        poll.register(stdout, select.POLLIN)
        poll.register(stderr, select.POLLIN)

        def receive() -> bytes:
            piece = None
            for stream, _ in poll.poll(1000 * _POLL):
                data = os.read(stream, 65536)
                if stream == stdout:
                    piece = data
                elif data:
                    output.add_stderr(data)
                else:
                    poll.unregister(stderr)
            if output.to_send:
                try:
                    output.sent(os.write(stdin, output.to_send))
                except BrokenPipeError:  # the process has exited, or closed its input: its output says why
                    output.sent(len(output.to_send))
            if piece is None and output.password_refused:
                return b""  # `end` closes the input, and sudo gives up
            if piece is None:
                raise TimeoutError
            return piece

        return _read_answer(receive, output, answer, wait)

    def release(self) -> None:
        """Make the process exit; see `PersistentProcess.release`."""
        self._finalizer.detach()
        try:
            self._process.communicate(f"{RELEASE}\n".encode(), timeout=self._grace_period)
        except subprocess.TimeoutExpired:
            _log.warning("PID %s has not exited yet after its release", self._process.pid)
            name = f"reap PID {self._process.pid}"
            threading.Thread(target=self._process.communicate, name=name, daemon=True).start()

    def end(self) -> bytes:
        """Close the input of the process, kill it if it does not exit, and return its standard error."""
        self._finalizer.detach()
        return communicate_or_kill(self._process, b"", self._grace_period)[1]


def _read_answer(
    receive: Callable[[], bytes], output: RemoteOutput, answer: bytearray, wait: CommandWait
) -> bool:
    while not (output.cut or wait.expired()):
        if answer.endswith(f"\n{END_OF_ANSWER}\n".encode()):
            return True
        try:
            piece = receive()
        except TimeoutError:
            continue
        output.add_stdout(piece)
        if not piece:
            return False
    return False
