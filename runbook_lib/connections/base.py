"""What every way to a host can do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from runbook_lib.connections.output_buffer import Overflow
    from runbook_lib.connections.persistent_process import Holder
    from runbook_lib.inventory import Host
    from runbook_lib.model.commands import Command, DockerQuery, Output

__all__ = ["INTERRUPT_GRACE", "CommandWait", "Connection", "Meeting"]

INTERRUPT_GRACE = 5.0
"""Seconds a command that is under way may take to end by itself once the run was interrupted."""


class CommandWait:
    """Bounds the wait for one command, from the moment it is sent.

    Args:
        timeout: Seconds.
        cancel: Once set, `INTERRUPT_GRACE` seconds are left.
    """

    def __init__(self, timeout: float, cancel: threading.Event) -> None:
        self._timeout = timeout
        self._cancel = cancel
        self._deadline = time.monotonic() + timeout
        self._grace: float | None = None

    def expired(self) -> str:
        """Return why the wait is over; empty while it is not."""
        now = time.monotonic()
        if self._cancel.is_set() and self._grace is None:
            self._grace = now + INTERRUPT_GRACE
        if self._grace is not None and now > self._grace:
            return "interrupted before the exit status arrived"
        if now > self._deadline:
            return f"still running after {self._timeout:g} s"
        return ""


@dataclass(frozen=True)
class Meeting:
    """A connection that was made.

    Args:
        number: The how-manieth of this run to its host.
        key: Kind and SHA-256 fingerprint of the host key that was proved, as `ssh-keygen -l` tells them.
    """

    number: int
    key: str


class Connection(Protocol):
    """One host, reached; used by one thread at a time."""

    @property
    def host(self) -> Host:
        """The inventory's host."""

    @property
    def meeting(self) -> Meeting | None:
        """The connection that was made last; None where there was none, or none is needed."""

    def open(self) -> None:
        """Connect, if not connected.

        Raises:
            UnreachableError: With the reason and a hint.
        """

    def render(self, command: Command) -> str:
        """Return the exact text that `run` sends."""

    def run(self, command: Command, cancel: threading.Event, overflow: Overflow | None = None) -> Output:
        """Send a command and wait for its end.

        Args:
            command: What to send.
            cancel: Once set, wait `INTERRUPT_GRACE` seconds more and then give up.
            overflow: Where a stream goes that is larger than `MOST_KEPT`; None: all of it is in the output.

        Returns:
            What came back; where `under_way`, call `stop` next.

        Raises:
            UnreachableError: The command could not be sent. After it was sent a broken connection is
                told in `Output.problem`, with no exit code.
        """

    def stop(self, command: Command, send: Callable[[Command], Output]) -> str:
        """End on the host what the last `run` left under way, or name it where it may not be ended.

        Args:
            command: The command that is under way.
            send: Sends and records the commands that do it.

        Returns:
            What was done and whether the end was confirmed, in words.

        Raises:
            UnreachableError: The host is gone.
        """

    def ask(self, query: DockerQuery) -> Output:
        """Ask the host's Docker engine; the answer is JSON in `stdout`, exit code 1 means: no such thing.

        Raises:
            FactUnavailable: There is no engine to ask.
            UnreachableError: The host is gone.
        """

    def hold(self, command: Command) -> tuple[Output, Holder | None]:
        """Send a command that stays once it has answered, for as long as this connection lasts.

        Returns:
            What it said; and itself, or None where it has ended.

        Raises:
            UnreachableError: The command could not be sent.
        """

    def close(self) -> None:
        """End the connection; the next `open` makes a new one."""
