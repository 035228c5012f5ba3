"""How long to wait for one exchange with a host: until its deadline, or until the run was interrupted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runbook_lib.grace_periods import COMMAND_AFTER_INTERRUPT

if TYPE_CHECKING:
    import threading

__all__ = ["CommandWait", "output_kept_open"]


class CommandWait:
    """Limit the wait for one exchange with a host, from now on.

    Args:
        timeout: Seconds.
        cancel: Once set, the wait ends after another `COMMAND_AFTER_INTERRUPT` seconds; None: it cannot be interrupted.
        to_start: Seconds that the host gets in addition to start a command; see `started`.
        after: An earlier wait: once that was interrupted, this one ends with it.
    """

    def __init__(
        self,
        timeout: float,
        cancel: threading.Event | None = None,
        *,
        to_start: float = 0.0,
        after: CommandWait | None = None,
    ) -> None:
        self._timeout = timeout
        self._to_start = to_start
        self._cancel = cancel
        self._deadline = time.monotonic() + timeout + to_start
        self._grace: float | None = after.grace_ends if after else None

    def expired(self, margin: float = 0.0) -> str:
        """Return why the wait is over; empty while there is time left.

        Args:
            margin: Seconds by which the wait may be exceeded.
        """
        now = time.monotonic() - margin
        if self.interrupted and self._grace is None:
            self._grace = time.monotonic() + COMMAND_AFTER_INTERRUPT
        if self._grace is not None and now > self._grace:
            return "interrupted before the exit status arrived"
        if now > self._deadline:
            return f"still running after {self._timeout:g} s"
        return ""

    @property
    def grace_ends(self) -> float | None:
        """When the grace period after an interrupt ends, on the monotonic clock; None: no interrupt was noticed."""
        return self._grace

    def started(self) -> None:
        """Note that the host has started the command: from now on the timeout alone counts."""
        self._deadline = min(self._deadline, time.monotonic() + self._timeout)
        self._to_start = 0.0

    @property
    def interrupted(self) -> bool:
        """Whether the run was interrupted."""
        return self._cancel is not None and self._cancel.is_set()

    @property
    def silence(self) -> str:
        """The text for a message once the wait is over and the host has not answered."""
        if self.interrupted:
            return "no answer before the interrupt"
        return f"no answer within {self._timeout + self._to_start:g} s"

    @property
    def left(self) -> float:
        """Seconds left, as far as is known now; 0 once the wait is over."""
        ends = self._deadline if self._grace is None else min(self._deadline, self._grace)
        return max(0.0, ends - time.monotonic())

    def followed_by(self, seconds: float) -> CommandWait:
        """Return a wait of these seconds from now on: an interrupt gives both of them one grace period."""
        return CommandWait(seconds, self._cancel, after=self)

    def within(self, seconds: float) -> CommandWait:
        """Return a wait that is over with this one, and after these seconds at the latest."""
        return CommandWait(min(seconds, self.left), self._cancel)


def output_kept_open(why: str) -> str:
    """Return why a command that has exited did not finish: a process that it started has its output.

    Args:
        why: Why it was not waited for any longer.
    """
    why = why.replace("still running after", "its output was still open after")
    return (
        f"{why}; the command has exited, but a process it started keeps its output open "
        "(start that process with `>/dev/null 2>&1 &`, or as a service)"
    )
