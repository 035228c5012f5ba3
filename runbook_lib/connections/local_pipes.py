"""The pipes of one child process: write its input and read both output streams until it exits."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook_lib.connections.command_wait import CommandWait
    from runbook_lib.connections.remote_shell import RemoteOutput

__all__ = ["Pipes"]

_POLL = 0.05  # seconds between checks of the clock and of `cancel` while the command prints nothing
_PIECE = 65536  # bytes read or written at a time


class Pipes:
    """Write the input of a process and read its output.

    Args:
        process: A process started with three pipes.
        output: Gets what it prints, and says what it is to be given.
    """

    def __init__(self, process: subprocess.Popen[bytes], output: RemoteOutput) -> None:
        self._process = process
        self._output = output
        self._ready = selectors.DefaultSelector()
        pipes = (process.stdin, process.stdout, process.stderr)
        self._pipes = [pipe for pipe in pipes if pipe is not None]
        self._stdin = self._pipes[0]
        os.set_blocking(self._stdin.fileno(), False)
        for pipe, stream in zip(self._pipes[1:], (output.add_stdout, output.add_stderr), strict=True):
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

    def wait(self, wait: CommandWait) -> str:
        """Wait until both streams are closed and the process has exited; return why the wait ended early, if it did."""
        while True:
            self._turn()
            if self._output.cut:
                return self._output.cut
            if not self._ready.get_map() and self._process.poll() is not None:
                return ""
            if why := wait.expired():
                return why

    def _turn(self) -> None:
        """Transfer the data that is available now."""
        self._watch_stdin()
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

    def _watch_stdin(self) -> None:
        """Watch for room in the input only while there is something to write, or it is to be closed."""
        if self._stdin.closed:
            return
        wanted = bool(self._output.to_send) or self._output.input_complete
        watched = self._stdin in {key.fileobj for key in self._ready.get_map().values()}
        if wanted and not watched:
            self._ready.register(self._stdin, selectors.EVENT_WRITE)
        elif watched and not wanted:
            self._ready.unregister(self._stdin)

    def _feed(self) -> None:
        try:
            if self._output.to_send:
                self._output.sent(os.write(self._stdin.fileno(), self._output.to_send[:_PIECE]))
            if self._output.to_send or not self._output.input_complete:
                return
        except BrokenPipeError:
            pass  # the process exited, or closed its input, before reading all of it
        self._ready.unregister(self._stdin)
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
