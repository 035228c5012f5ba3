"""One child process's pipes: its input written, its two streams read, until its end."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
from typing import TYPE_CHECKING

from runbook_lib.connections.base import CommandWait

if TYPE_CHECKING:
    import threading

    from runbook_lib.connections.output_buffer import OutputBuffer

__all__ = ["Pipes"]

_POLL = 0.05  # seconds between looks at the clock and at `cancel` while a command is silent
_PIECE = 65536  # bytes read or written at a time


class Pipes:
    """Feed a process and read it.

    Args:
        process: Started with three pipes.
        stdin: Its input.
        out: Takes its standard output.
        err: Takes its standard error.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], stdin: bytes, out: OutputBuffer, err: OutputBuffer
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
        """Stop listening.

        Args:
            keep: Leave the pipes open: a process that lives on would end of its next output.
        """
        self._ready.close()
        for pipe in () if keep else self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()

    def wait(self, timeout: float, cancel: threading.Event) -> str:
        """Wait for the end of both streams and of the process; return why there was none, if so."""
        wait = CommandWait(timeout, cancel)
        while True:
            self._turn()
            if not self._ready.get_map() and self._process.poll() is not None:
                return ""
            if why := wait.expired():
                return why

    def _turn(self) -> None:
        """Move what can be moved now."""
        if not self._ready.get_map():  # only its own end is still to come, mostly within a millisecond
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL)
            return
        for key, _ in self._ready.select(_POLL):
            if key.data is None:
                self._feed()
            elif piece := os.read(key.fd, _PIECE):
                key.data.add(piece)
            else:
                self._ready.unregister(key.fileobj)

    def _feed(self) -> None:
        try:
            if self._left:
                self._left = self._left[os.write(self._stdin.fileno(), self._left[:_PIECE]) :]
            if self._left:
                return
        except BrokenPipeError:
            pass  # it ended, or closed its input, before it read all of it
        self._ready.unregister(self._stdin)
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
