"""What every way to a host can do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from runbook_lib.connections.output_buffer import OpenSpool
    from runbook_lib.connections.persistent_process import PersistentProcess
    from runbook_lib.inventory import Host
    from runbook_lib.model.commands import Command, DockerQuery, Output

__all__ = ["INTERRUPT_GRACE", "CommandWait", "Connection", "ConnectionInfo"]

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
class ConnectionInfo:
    """An established connection.

    Args:
        number: Ordinal of this connection among all that this run made to the host, from 1.
        host_key: Type and SHA-256 fingerprint of the verified host key, as `ssh-keygen -l` prints them.
    """

    number: int
    host_key: str


class Connection(Protocol):
    """One host, reached; used by one thread at a time."""

    @property
    def host(self) -> Host:
        """The inventory's host."""

    @property
    def established(self) -> ConnectionInfo | None:
        """The connection that was made last; None where there was none, or none is needed."""

    def open(self) -> None:
        """Connect, if not connected.

        Raises:
            UnreachableError: With the reason and a hint.
        """

    def render(self, command: Command) -> str:
        """Return the exact text that `run` sends."""

    def run(self, command: Command, cancel: threading.Event, open_spool: OpenSpool | None = None) -> Output:
        """Send a command and wait for its end.

        Args:
            command: What to send.
            cancel: Once set, wait `INTERRUPT_GRACE` seconds more and then give up.
            open_spool: Where a stream goes that is larger than `MAX_BUFFERED_BYTES`; None: all of it is in the output.

        Returns:
            What came back; where `still_running`, call `stop` next.

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

    def query_docker(self, query: DockerQuery) -> Output:
        """Ask the host's Docker engine; the answer is JSON in `stdout`, exit code 1 means: no such thing.

        Raises:
            FactUnavailable: There is no engine to ask.
            UnreachableError: The host is gone.
        """

    def start_persistent(self, command: Command) -> tuple[Output, PersistentProcess | None]:
        """Send a command that stays once it has answered, for as long as this connection lasts.

        Returns:
            What it said; and itself, or None where it has ended.

        Raises:
            UnreachableError: The command could not be sent.
        """

    def close(self) -> None:
        """End the connection; the next `open` makes a new one."""
