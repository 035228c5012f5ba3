"""The SSH channel of one command: its input, both output streams and its exit."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import paramiko

from runbook_lib.errors import UnreachableError
from runbook_lib.grace_periods import EXIT_STATUS, SESSION_END

if TYPE_CHECKING:
    from runbook_lib.connections.command_wait import CommandWait
    from runbook_lib.connections.remote_shell import RemoteOutput
    from runbook_lib.connections.ssh_transport import PipeliningTransport

__all__ = ["LOST", "RefusedError", "await_start", "collect", "exit_status", "open_session", "why_lost"]

LOST = "connection lost before the exit status arrived"
"""How the problem of a command begins that was sent, and whose end is unknown."""

_log = logging.getLogger(__name__)
_POLL = 0.1  # seconds between checks of the clock and of `cancel` while the command prints nothing
_POLL_FOR_SUDO = 0.01  # the same while sudo may ask: its prompt arrives on standard error
_PIECE = 65536  # bytes read at a time
_PIECES = 16  # read of one stream before the other stream, the clock and `cancel` get their turn


class RefusedError(paramiko.SSHException):
    """The host refuses to execute a command in a session that it has opened."""


def open_session(transport: PipeliningTransport, place: str, wait: CommandWait) -> paramiko.Channel:
    """Open a session for one command.

    Args:
        transport: The open connection.
        place: The host, for messages.
        wait: When to give up.

    Raises:
        UnreachableError: sshd allows no further session.
        SSHException: The connection is lost, or the host has not answered in time.
    """
    started = time.monotonic()
    while True:
        try:
            return transport.request_session().result(wait)
        except paramiko.ChannelException as refused:
            # Where few sessions are allowed, sshd may not have ended the one of the command before.
            if time.monotonic() - started < SESSION_END and not wait.expired():
                time.sleep(_POLL)
                continue
            raise UnreachableError(
                "sshd on the host allows no further session on the connection (MaxSessions)",
                where=place,
                hint="set MaxSessions in its sshd_config to at least 4 (the default is 10): the lock on the host,"
                " a running command, its termination and Docker's API may need one each",
            ) from refused


def _check_accepted(channel: Any, wait: CommandWait) -> bool:  # noqa: ANN401 - paramiko's channel
    """Return whether the host has agreed to execute what was sent over a channel; False: it has not answered yet.

    Raises:
        RefusedError: The host refuses.
        SSHException: The host has not answered in time.
    """
    if channel.event_ready:
        wait.started()
        return True
    if channel.transport.refuses(channel):
        raise RefusedError("the host refuses to execute the command")
    if wait.expired():
        raise paramiko.SSHException(wait.silence)
    return False


def collect(channel: Any, output: RemoteOutput, wait: CommandWait) -> str:  # noqa: ANN401 - paramiko's channel
    """Write input and read both streams until the command exits; return why the wait ended early, if it did."""
    open_stdin = open_stdout = True
    accepted = False
    while True:
        accepted = accepted or _check_accepted(channel, wait)
        # Alternate between input and output: a command blocked on writing does not read.
        open_stdin = open_stdin and _feed(channel, output)
        busy = open_stdin and bool(output.to_send) and channel.send_ready()
        poll = _POLL_FOR_SUDO if output.waits_for_sudo else _POLL
        channel.settimeout(poll)
        try:
            if open_stdout and (channel.recv_ready() or not busy):
                piece = channel.recv(_PIECE)
                open_stdout = bool(piece)
                output.add_stdout(piece)
        except TimeoutError:
            pass
        _read_stderr(channel, output)
        if output.cut:
            return output.cut
        if not open_stdout and channel.status_event.wait(0 if busy else poll):
            if not accepted:
                _check_accepted(channel, wait)
            while _read_stderr(channel, output) and not (output.cut or wait.expired()):
                pass
            return output.cut
        if (why := wait.expired()) and (accepted or _check_accepted(channel, wait)):
            return why


def await_start(channel: Any, output: RemoteOutput, wait: CommandWait) -> None:  # noqa: ANN401 - paramiko's channel
    """Wait until a command runs, has exited or the wait is over; its input stays open.

    Args:
        channel: The command's channel.
        output: Gets what arrives meanwhile.
        wait: When to give up.
    """
    channel.settimeout(_POLL_FOR_SUDO)
    open_stdout, accepted = True, False
    exited: float | None = None
    while not (output.cut or wait.expired() or (output.reached_shell and output.ran)):
        if output.to_send or output.password_refused:
            _feed(channel, output)
        accepted = accepted or _check_accepted(channel, wait)
        if exited is None and channel.status_event.is_set():
            exited = time.monotonic()
        all_arrived = channel.eof_received or channel.closed
        try:
            if open_stdout and not output.reached_shell:
                piece = channel.recv(_PIECE)
                open_stdout = bool(piece)
                output.add_stdout(piece)
            else:
                channel.status_event.wait(_POLL_FOR_SUDO)
        except TimeoutError:
            pass
        _read_stderr(channel, output)
        # sshd may report the exit before it has passed on the last output.
        if exited is not None and (all_arrived or time.monotonic() - exited > EXIT_STATUS):
            break
    if not (accepted or output.cut):
        _check_accepted(channel, wait)


def _read_stderr(channel: Any, output: RemoteOutput) -> bool:  # noqa: ANN401 - paramiko's channel
    """Read what has arrived on standard error, but not for ever; return whether there was anything."""
    pieces = 0
    while pieces < _PIECES and channel.recv_stderr_ready():
        output.add_stderr(channel.recv_stderr(_PIECE))
        pieces += 1
    return bool(pieces)


def exit_status(channel: Any) -> tuple[int, bool]:  # noqa: ANN401 - paramiko's channel
    """Return the exit code of a command that has ended, -1 if there is none, and whether the connection was lost.

    paramiko returns -1 if there is no exit status: a signal killed the command, or the connection was lost. The end of
    the streams arrives only if the host itself closed the channel.
    """
    code = channel.recv_exit_status()
    # An exit status without the end of the streams, over a lost connection: some of the output may be missing.
    alive = channel.transport.is_active()
    return code, (code == -1 and not alive) or (not channel.eof_received and (code == -1 or not alive))


def why_lost(channel: Any) -> str:  # noqa: ANN401 - paramiko's channel
    """Return the problem of a command whose connection was lost: who closed the connection, as far as is known."""
    problem = channel.transport.saved_exception
    if problem is None and channel.transport.is_active():
        return f"{LOST}: the host closed the session"
    return f"{LOST}: {str(problem or '') or 'the host, or something on the way, closed the connection'}"


def _feed(channel: Any, output: RemoteOutput) -> bool:  # noqa: ANN401 - paramiko's channel
    """Write as much input as possible without blocking; return whether the input is still open."""
    try:
        if output.to_send and channel.send_ready():
            output.sent(channel.send(bytes(output.to_send[:_PIECE])))
        if output.to_send or not output.input_complete:
            return True
        channel.shutdown_write()
    except (OSError, EOFError, paramiko.SSHException):
        _log.debug("the command exited before it had read all its input")
    return False
