"""Commands of one host that were sent together, before any of them is waited for."""

from __future__ import annotations

import itertools
import logging
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.connections.bounded_call import OverdueError
from runbook_lib.connections.command_wait import CommandWait
from runbook_lib.connections.remote_shell import bootstrap, new_nonce
from runbook_lib.connections.ssh_channel import LOST
from runbook_lib.errors import UnreachableError
from runbook_lib.grace_periods import COMMAND_START, TERMINATION_COMMAND

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from runbook_lib.connections.ssh_link import SshLink
    from runbook_lib.model.commands import Command

__all__ = ["MOST_TOGETHER", "SentAhead", "SentCommand"]

_log = logging.getLogger(__name__)
MOST_TOGETHER = 8  # sshd allows 10 sessions: there is one more for the lock, and one to terminate a command


@dataclass(frozen=True)
class SentCommand:
    """A command that was sent, or was to be sent.

    Args:
        started: When, in seconds since the epoch.
        nonce: The nonce that it prints.
        channel: Its channel; None if it could not be sent.
        problem: Why it could not be sent.
    """

    started: float
    nonce: str = ""
    channel: Any = None
    problem: str = ""


class SentAhead:
    """The commands that were sent together and are still to be waited for, one after another in the order sent.

    Args:
        link: The connection to the host.
        render: Returns the text that is sent for a command.
    """

    def __init__(self, link: SshLink, render: Callable[[Command], str]) -> None:
        self._link = link
        self._render = render
        self._sent: dict[tuple[str, str | None], list[SentCommand]] = defaultdict(list)
        self._latest_wait: CommandWait | None = None
        self._last_stop: float | None = None

    def reserve(self, commands: Sequence[Command], cancel: threading.Event) -> int:
        """Open sessions for a group of commands; see `Connection.reserve`."""
        self._latest_wait = self._last_stop = None
        wait = CommandWait(commands[0].timeout, cancel, to_start=COMMAND_START)
        try:
            self._link.open(wait)
            with self._link.guard(wait):
                return self._link.reserve(min(len(commands), MOST_TOGETHER), wait)
        except OverdueError as silent:
            self._add(commands[0], SentCommand(time.time(), problem=f"{silent}; the connection was closed"))
        except UnreachableError as problem:
            _log.debug("no sessions were opened ahead, `run` reports why: %s", problem)
        return 1

    def send(self, commands: Sequence[Command]) -> None:
        """Send commands, each in a session that `reserve` has opened; see `Connection.send_ahead`."""
        nonces = [new_nonce() for _ in commands]
        lines = [
            bootstrap(self._render(command), nonce) for command, nonce in zip(commands, nonces, strict=True)
        ]
        wait, started, problem = CommandWait(COMMAND_START), time.time(), LOST
        channels: list[Any] = []
        try:
            with self._link.guard(wait):
                channels = self._link.execute_all(lines, wait)
        except OverdueError as silent:
            problem = f"{silent}; the connection was closed"
        except UnreachableError as lost:
            problem = lost.message
        for command, nonce, channel in itertools.zip_longest(commands, nonces, channels):
            self._add(command, SentCommand(started, nonce, channel, "" if channel else problem))

    def _add(self, command: Command, sent: SentCommand) -> None:
        self._sent[self._render(command), command.stdin].append(sent)

    def take(self, command: Command) -> SentCommand | None:
        """Return how a command was sent, once; None if it was not sent yet."""
        key = (self._render(command), command.stdin)
        if key not in self._sent:
            return None
        first = self._sent[key].pop(0)
        if not self._sent[key]:
            del self._sent[key]
        return first

    @property
    def pending(self) -> bool:
        """Whether there are commands to be waited for."""
        return bool(self._sent)

    def wait(self, command: Command, cancel: threading.Event) -> CommandWait:
        """Return the wait for a command of the group: an interrupt gives all of them the grace period of one."""
        self._latest_wait = CommandWait(
            command.timeout, cancel, to_start=COMMAND_START, after=self._latest_wait
        )
        return self._latest_wait

    def may_stop_another(self) -> bool:
        """Return whether there is time to terminate another command of the group on the host."""
        now = time.monotonic()
        if self._last_stop is None:
            self._last_stop = now + TERMINATION_COMMAND
        return now <= self._last_stop

    def clear(self) -> None:
        """Forget all commands: the connection was closed."""
        self._sent.clear()
