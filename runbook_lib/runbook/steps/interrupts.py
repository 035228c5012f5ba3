"""Ctrl-C as a callback: a KeyboardInterrupt raised in the middle of a write could tear the evidence.

How long each part waits after Ctrl-C before it kills the next one is in `grace_periods.py`.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import TYPE_CHECKING

from runbook_lib.signal_handlers import signal_handler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runbook_lib.runbook.steps.deadline import Deadline

__all__ = ["DelayedCancel", "interrupt_at_deadline", "on_interrupt"]

_RETRY_AFTER = 0.5  # seconds until the signal is sent again: a kernel between two cells ignores it


class DelayedCancel(threading.Event):
    """Set some time after another event: for work that an interrupt must not cut short at once, such as a rollback.

    Args:
        cancel: The other event.
        seconds: From the moment it is set.
    """

    def __init__(self, cancel: threading.Event, seconds: float) -> None:
        super().__init__()
        self._cancel = cancel
        self._seconds = seconds
        self._until: float | None = None

    def is_set(self) -> bool:
        """Return whether the time has passed since the other event was set."""
        if self._until is None and self._cancel.is_set():
            self._until = time.monotonic() + self._seconds
        return self._until is not None and time.monotonic() >= self._until


@contextlib.contextmanager
def on_interrupt(callback: Callable[[], None]) -> Iterator[None]:
    """Call a function on each Ctrl-C while the block runs. Python delivers signals to the main thread only.

    A process that ignores Ctrl-C keeps ignoring it. In nested blocks only the outer callback is called.

    Args:
        callback: Called between any two instructions of the main thread, which may hold any lock: it must not
            acquire a lock that the block uses. Ctrl-C during the callback does not call it again.
    """
    before = signal.getsignal(signal.SIGINT)
    keep = isinstance(before, _Handler) or not callable(before)
    if keep or threading.current_thread() is not threading.main_thread():
        yield
        return
    with signal_handler(_Handler(callback), signal.SIGINT):
        yield


class _Handler:
    """A signal handler that can be recognized as ours."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._running = False

    def __call__(self, *_: object) -> None:
        if self._running:
            return
        self._running = True
        try:
            self._callback()
        finally:
            self._running = False


def interrupt_at_deadline(deadline: Deadline, *, busy: Callable[[], bool], done: Callable[[], bool]) -> None:
    """Interrupt the main thread as Ctrl-C would, from a deadline until the run is done.

    Args:
        deadline: When to interrupt.
        busy: Whether the main thread is in code that watches the deadline itself.
        done: Whether the run is over, so that nothing is left to interrupt.
    """

    def interrupt() -> None:
        time.sleep(deadline.left)
        while not done() and main.ident:
            if not busy():
                signal.pthread_kill(main.ident, signal.SIGINT)
            time.sleep(_RETRY_AFTER)

    main = threading.main_thread()
    threading.Thread(target=interrupt, name="deadline", daemon=True).start()
