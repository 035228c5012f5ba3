"""How long a command's end is waited for, over whichever way it was sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runbook_lib.connections.base import INTERRUPT_GRACE

if TYPE_CHECKING:
    import threading

__all__ = ["Patience"]


class Patience:
    """The wait for one command, from now on.

    Args:
        timeout: Seconds.
        cancel: Once set, `INTERRUPT_GRACE` seconds are left.
    """

    def __init__(self, timeout: float, cancel: threading.Event) -> None:
        self._timeout = timeout
        self._cancel = cancel
        self._deadline = time.monotonic() + timeout
        self._grace: float | None = None

    def ended(self) -> str:
        """Return why it is waited for no longer; empty while it is."""
        now = time.monotonic()
        if self._cancel.is_set() and self._grace is None:
            self._grace = now + INTERRUPT_GRACE
        if self._grace is not None and now > self._grace:
            return "interrupted before its end was told"
        if now > self._deadline:
            return f"no end after {self._timeout:g} s"
        return ""
