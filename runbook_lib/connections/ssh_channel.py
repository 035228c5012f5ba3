"""The SSH channel of one command: its input, both output streams, its exit, and sudo's password prompt."""

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
_POLL = 0.1  # seconds between checks of the clock and of `cancel` while the command prints nothing
_PIECE = 65536  # bytes read at a time
_SUDO_PROMPT_TIMEOUT = 10.0  # seconds to wait for sudo's prompt; sudo may also need no password

SUDO_PROMPT = "[runbook] sudo password: "
"""The prompt that sudo is made to use; the password is sent only after this prompt has been read."""


def answer_sudo(channel: Any, password: str) -> tuple[bool, bytes]:  # noqa: ANN401 - paramiko's channel
    """Wait for sudo's prompt and send the password.

    If sudo needs no password it does not prompt, and a password sent anyway would become the command's own input.

    Args:
        channel: The channel of a running `sudo -S -k -p SUDO_PROMPT` command.
        password: The password.

    Returns:
        Whether sudo prompted, and what else was read from standard error.
    """
    received = b""
    prompt = SUDO_PROMPT.encode()
    deadline = time.monotonic() + _SUDO_PROMPT_TIMEOUT
    while time.monotonic() < deadline and not (channel.exit_status_ready() or channel.closed):
        while channel.recv_stderr_ready():
            received += channel.recv_stderr(65536)
        if prompt in received:
            channel.sendall(f"{password}\n".encode())
            return True, received.replace(prompt, b"", 1)
        time.sleep(_POLL / 10)
    return False, received


def collect(  # noqa: PLR0913 - the ends of a command
    channel: Any,  # noqa: ANN401 - paramiko's channel
    stdin: bytes,
    timeout: float,
    cancel: threading.Event,
    *,
    out: OutputBuffer,
    err: OutputBuffer,
) -> str:
    """Write input and read both streams until the command exits; return why the wait ended early, if it did."""
    wait = CommandWait(timeout, cancel)
    channel.settimeout(_POLL)
    left: memoryview | None = memoryview(stdin)
    open_stdout = True
    while True:
        # Alternate between input and output: a command blocked on writing does not read.
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
    """Write as much input as possible without blocking; return the rest, or None once the input is closed."""
    if left is None:
        return None
    try:
        if left and channel.send_ready():
            left = left[channel.send(bytes(left[:65536])) :]
        if left:
            return left
        channel.shutdown_write()
    except OSError:
        _log.debug("the command exited before it had read all its input")
    return None
