"""The pipes of one child process: write its input and read both output streams until it exits."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
from typing import TYPE_CHECKING

from runbook_lib.connections.base import CommandWait

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

__all__ = ["Pipes"]

_POLL = 0.05  # seconds between checks of the clock and of `cancel` while the command prints nothing
_PIECE = 65536  # bytes read or written at a time


class Pipes:
    """Write the input of a process and read its output.

    Args:
        process: A process started with three pipes.
        stdin: Its input.
        out: Gets its standard output.
        err: Gets its standard error.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        stdin: bytes,
        out: Callable[[bytes], None],
        err: Callable[[bytes], None],
    ) -> None:
        self._process = process
        self._left = memoryview(stdin)
        self._ready = selectors.DefaultSelector()
        pipes = (process.stdin, process.stdout, process.stderr)
        self._pipes = [pipe for pipe in pipes if pipe is not None]
        self._stdin = self._pipes[0]
        os.set_blocking(self._stdin.fileno(), False)
        self._ready.register(self._stdin, selectors.EVENT_WRITE)
        for pipe, stream in zip(self._pipes[1:], (out, err), strict=True):
            self._ready.register(pipe, selectors.EVENT_READ, stream)

    def close(self, *, keep: bool = False) -> None:
        """Stop reading and writing.

        Args:
            keep: Leave the pipes open: a process that keeps running would be killed by SIGPIPE at its next output.
        """
        self._ready.close()
        for pipe in () if keep else self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()

    def wait(self, timeout: float, cancel: threading.Event) -> str:
        """Wait until both streams are closed and the process has exited; return why the wait ended early, if it did."""
        wait = CommandWait(timeout, cancel)
        while True:
            self._turn()
            if not self._ready.get_map() and self._process.poll() is not None:
                return ""
            if why := wait.expired():
                return why

    def _turn(self) -> None:
        """Transfer the data that is available now."""
        if not self._ready.get_map():  # the process only has to exit, usually within a millisecond
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL)
            return
        for key, _ in self._ready.select(_POLL):
            if key.data is None:
                self._feed()
            elif piece := os.read(key.fd, _PIECE):
                key.data(piece)
            else:
                self._ready.unregister(key.fileobj)

    def _feed(self) -> None:
        try:
            if self._left:
                self._left = self._left[os.write(self._stdin.fileno(), self._left[:_PIECE]) :]
            if self._left:
                return
        except BrokenPipeError:
            pass  # the process exited, or closed its input, before reading all of it
        self._ready.unregister(self._stdin)
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
