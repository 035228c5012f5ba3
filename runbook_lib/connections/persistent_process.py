"""A process on a host that runs as long as its connection, or until it is released."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from runbook_lib.grace_periods import PERSISTENT_PROCESS, PERSISTENT_PROCESS_ANSWER
from runbook_lib.subprocess_termination import communicate_or_kill

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["END_OF_ANSWER", "RELEASE", "LocalPersistentProcess", "PersistentProcess", "SshPersistentProcess"]

END_OF_ANSWER = "."
"""The line by which the process signals that its answer is complete and that it keeps running."""
RELEASE = "release"
"""The line that makes the process exit in an orderly way; end of input alone means that the connection is lost."""

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
    """A process at the other end of an SSH channel."""

    def __init__(self, channel: Any) -> None:  # noqa: ANN401 - paramiko's channel
        self._channel = channel

    @property
    def alive(self) -> bool:
        """Whether the channel is open and no exit status has arrived; see `PersistentProcess.alive`."""
        return not (self._channel.closed or self._channel.exit_status_ready() or self._channel.eof_received)

    def read_answer(self, add: Callable[[bytes], None], answer: bytearray) -> bool:
        """Read the rest of the answer, and return whether the process keeps running.

        Args:
            add: Called with each piece of standard output; adds to `answer` what belongs to it.
            answer: The answer so far.
        """
        self._channel.settimeout(_POLL)
        return _read_answer(lambda: self._channel.recv(65536), add, answer)

    def release(self) -> None:
        """Make the process exit; see `PersistentProcess.release`."""
        try:
            if self.alive:
                self._channel.sendall(f"{RELEASE}\n".encode())
                self._channel.status_event.wait(PERSISTENT_PROCESS)
        except OSError as gone:
            _log.debug("the channel of a persistent process was closed: %s", gone)
        self._channel.close()


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

    def read_answer(self, add: Callable[[bytes], None], answer: bytearray) -> bool:
        """Read the answer, and return whether the process keeps running; see `SshPersistentProcess.read_answer`."""
        stream = self._process.stdout
        return _read_answer(lambda: stream.readline() if stream else b"", add, answer)

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


def _read_answer(receive: Callable[[], bytes], add: Callable[[bytes], None], answer: bytearray) -> bool:
    deadline = time.monotonic() + PERSISTENT_PROCESS_ANSWER
    while time.monotonic() < deadline:
        if answer.endswith(f"\n{END_OF_ANSWER}\n".encode()):
            return True
        try:
            piece = receive()
        except TimeoutError:
            continue
        add(piece)
        if not piece:
            return False
    return False
