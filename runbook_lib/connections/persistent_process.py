"""A process on a host that stays for as long as its connection does, or until it is told to end."""

from __future__ import annotations

import logging
import subprocess
import time
import weakref
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["END_OF_ANSWER", "RELEASE", "LocalPersistentProcess", "PersistentProcess", "SshPersistentProcess"]

END_OF_ANSWER = "."
"""The line with which a process says that it has answered and stays."""
RELEASE = "release"
"""The line with which it is told to end; the end of its input alone means that we are gone."""

_log = logging.getLogger(__name__)
_ANSWERS_WITHIN = 30.0  # seconds
_ENDS_WITHIN = 2.0  # seconds
_POLL = 0.1  # seconds


class PersistentProcess(Protocol):
    """The process."""

    @property
    def alive(self) -> bool:
        """Whether it is still there, as far as this side knows."""

    def release(self) -> None:
        """Tell it to end and wait a moment for that; a connection that is gone has ended it already."""


class SshPersistentProcess:
    """A process at the other end of an SSH channel."""

    def __init__(self, channel: Any) -> None:  # noqa: ANN401 - paramiko's channel
        self._channel = channel

    @property
    def alive(self) -> bool:
        """Whether the channel is open and has told no end; see `PersistentProcess.alive`."""
        return not (self._channel.closed or self._channel.exit_status_ready() or self._channel.eof_received)

    def answer(self) -> tuple[bytes, bool]:
        """Return what it said, and whether it stays."""
        self._channel.settimeout(_POLL)
        return _until_answered(lambda: self._channel.recv(65536))

    def release(self) -> None:
        """Tell it to end; see `PersistentProcess.release`."""
        try:
            if self.alive:
                self._channel.sendall(f"{RELEASE}\n".encode())
                self._channel.status_event.wait(_ENDS_WITHIN)
        except OSError as gone:
            _log.debug("the lock's channel was gone: %s", gone)
        self._channel.close()


class LocalPersistentProcess:
    """A process on this machine."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._unused = weakref.finalize(self, _end, process, b"")  # a run that nobody closed ends it too

    @property
    def alive(self) -> bool:
        """Whether it runs; see `PersistentProcess.alive`."""
        return self._process.poll() is None

    def answer(self) -> tuple[bytes, bool]:
        """Return what it said, and whether it stays."""
        stream = self._process.stdout
        return _until_answered(lambda: stream.readline() if stream else b"")

    def release(self) -> None:
        """Tell it to end; see `PersistentProcess.release`."""
        self.end(f"{RELEASE}\n".encode())

    def end(self, last: bytes = b"") -> bytes:
        """End its input, and it where that is not enough; return what it wrote as errors."""
        self._unused.detach()
        return _end(self._process, last)


def _end(process: subprocess.Popen[bytes], last: bytes) -> bytes:
    try:
        return process.communicate(last, timeout=_ENDS_WITHIN)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[1]


def _until_answered(receive: Callable[[], bytes]) -> tuple[bytes, bool]:
    said = b""
    deadline = time.monotonic() + _ANSWERS_WITHIN
    while time.monotonic() < deadline:
        try:
            piece = receive()
        except TimeoutError:
            continue
        said += piece
        if said.endswith(f"\n{END_OF_ANSWER}\n".encode()):
            return said, True
        if not piece:
            return said, False
    return said, False
