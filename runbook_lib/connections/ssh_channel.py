"""One command's channel: its input, its two streams, its end, and sudo's question for a password."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from runbook_lib.connections.base import CommandWait

if TYPE_CHECKING:
    import threading

    from runbook_lib.connections.output_buffer import OutputBuffer

__all__ = ["SUDO_PROMPT", "answer_sudo", "collect"]

_log = logging.getLogger(__name__)
_POLL = 0.1  # seconds between looks at the clock and at `cancel` while a command is silent
_PIECE = 65536  # bytes read at a time
_ASKED_WITHIN = 10.0  # seconds in which sudo asks, if it asks at all

SUDO_PROMPT = "[runbook] sudo password: "
"""What sudo is told to ask with; the password is sent once this was read, and never otherwise."""


def answer_sudo(channel: Any, password: str) -> tuple[bool, bytes]:  # noqa: ANN401 - paramiko's channel
    """Wait for sudo's question and answer it.

    A password sent unasked would become the command's own input: sudo does not ask where the user needs none.

    Args:
        channel: With a `sudo -S -k -p SUDO_PROMPT` command under way.
        password: The answer.

    Returns:
        Whether sudo asked, and what else was read from the error stream.
    """
    seen = b""
    prompt = SUDO_PROMPT.encode()
    deadline = time.monotonic() + _ASKED_WITHIN
    while time.monotonic() < deadline and not (channel.exit_status_ready() or channel.closed):
        while channel.recv_stderr_ready():
            seen += channel.recv_stderr(65536)
        if prompt in seen:
            channel.sendall(f"{password}\n".encode())
            return True, seen.replace(prompt, b"", 1)
        time.sleep(_POLL / 10)
    return False, seen


def collect(  # noqa: PLR0913 - a command's ends
    channel: Any,  # noqa: ANN401 - paramiko's channel
    stdin: bytes,
    timeout: float,
    cancel: threading.Event,
    *,
    out: OutputBuffer,
    err: OutputBuffer,
) -> str:
    """Write input and read both streams until the command's end; return why there was none, if so."""
    wait = CommandWait(timeout, cancel)
    channel.settimeout(_POLL)
    left: memoryview | None = memoryview(stdin)
    open_stdout = True
    while True:
        # Input and output take turns: a host that waits to be read from does not read.
        left = _feed(channel, left)
        busy = left is not None and channel.send_ready()
        try:
            if open_stdout and (channel.recv_ready() or not busy):
                piece = channel.recv(_PIECE)
                open_stdout = bool(piece)
                out.add(piece)
        except TimeoutError:
            pass
        while channel.recv_stderr_ready():
            err.add(channel.recv_stderr(_PIECE))
        if not open_stdout and channel.status_event.wait(0 if busy else _POLL):
            while piece := channel.recv_stderr(_PIECE) if channel.recv_stderr_ready() else b"":
                err.add(piece)
            return ""
        if why := wait.expired():
            return why


def _feed(channel: Any, left: memoryview | None) -> memoryview | None:  # noqa: ANN401 - paramiko's channel
    """Write what the host takes without waiting; return what is left of the input, None once it is ended."""
    if left is None:
        return None
    try:
        if left and channel.send_ready():
            left = left[channel.send(bytes(left[:65536])) :]
        if left:
            return left
        channel.shutdown_write()
    except OSError:
        _log.debug("the command ended before it read its input")
    return None
