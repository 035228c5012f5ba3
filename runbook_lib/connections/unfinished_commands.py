"""Commands that are still running on a host when a run stops waiting for them, over SSH."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from runbook_lib.connections.bounded_call import OverdueError
from runbook_lib.connections.command_wait import CommandWait
from runbook_lib.connections.termination import (
    SessionLeader,
    find_session,
    list_sessions,
    summarize,
    terminate,
)
from runbook_lib.grace_periods import EXIT_STATUS, EXIT_STATUS_AFTER_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.connections.sent_ahead import SentAhead
    from runbook_lib.connections.ssh_link import SshLink
    from runbook_lib.model.commands import Command, Output

__all__ = ["UnfinishedCommands"]


class UnfinishedCommands:
    """Terminates the command that was left running last, or keeps the channel of one that must not be interrupted.

    Args:
        link: The connection.
        ahead: Commands that were sent together with it.
    """

    def __init__(self, link: SshLink, ahead: SentAhead) -> None:
        self._link = link
        self._ahead = ahead
        self.latest: Any = None
        """The channel of the command that `stop` terminates, if it has one."""
        self._left_running: dict[SessionLeader, Any] = {}  # an unreferenced channel would be closed
        self._unanswered: list[Any] = []  # likewise; the host did not say what became of the command

    def stop(self, command: Command, send: Callable[[Command], Output]) -> str:
        """Terminate the latest command over a second channel; see `Connection.stop`."""
        channel, self.latest = self.latest, None
        if self._ahead.pending and not self._ahead.may_stop_another():
            self._link.abort()
            return "could not confirm termination on the host: terminating other commands used up the time"
        listed = send(list_sessions())
        if listed.exit_code is None:
            if command.safe_to_interrupt:
                self._link.abort()  # the host does not answer: the next command tries a new connection
            else:
                self._unanswered.append(channel)  # as below
            return summarize(listed)
        leader = find_session(listed, self._left_running, earliest=self._ahead.pending)
        ended = channel is None or channel.status_event.wait(EXIT_STATUS_AFTER_TIMEOUT)
        if ended:
            leader = None  # the session found belongs to another command
        if leader is not None and not command.safe_to_interrupt:
            # The channel stays open: with its output closed the command would be killed by SIGPIPE.
            self._left_running[leader] = channel
            return f"left running as PID {leader.pid} (not safe to interrupt)"
        if ended:
            done = "the command had already exited"
        elif leader is None:
            done = "main process exited; its children may still be running on the host"
        else:
            done = summarize(send(terminate(leader, sudo=command.sudo)))
            self._left_running[leader] = None
        if channel is not None:
            with (
                contextlib.suppress(OverdueError, OSError, EOFError),
                self._link.guard(CommandWait(EXIT_STATUS)),
            ):
                channel.close()
        return done

    def clear(self) -> None:
        """Release all channels."""
        self.latest = None
        self._left_running.clear()
        self._unanswered.clear()
