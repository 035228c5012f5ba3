"""Ctrl-C, told to a run in place of raised in the middle of what it writes down."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runbook_lib.runbook.deadline import Deadline

__all__ = ["at_deadline", "heard"]

_PACE = 0.5  # seconds until it is tried again: one that hits a kernel between two cells is lost


@contextlib.contextmanager
def heard(tell: Callable[[], None]) -> Iterator[None]:
    """Have each Ctrl-C call a function while the block runs; Python tells it to the main thread alone.

    A process that ignores Ctrl-C goes on to ignore it. One block inside another leaves it to the outer one.

    Args:
        tell: Called between any two instructions of the main thread, which may hold any lock: it must ask for none
            that the block asks for. Ctrl-C while it is at work is not told again.
    """
    before = signal.getsignal(signal.SIGINT)
    left_alone = isinstance(before, _Teller) or not callable(before)
    if left_alone or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _Teller(tell))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Teller:
    """A signal handler that is known as one of ours."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._telling = False

    def __call__(self, *_: object) -> None:
        if self._telling:
            return
        self._telling = True
        try:
            self._tell()
        finally:
            self._telling = False


def at_deadline(deadline: Deadline, *, busy: Callable[[], bool], over: Callable[[], bool]) -> None:
    """Interrupt the main thread as Ctrl-C would, from a deadline on until what it limits is over.

    Args:
        deadline: When.
        busy: Whether the main thread is at something that looks at the clock itself.
        over: Whether there is nothing left to interrupt.
    """

    def interrupt() -> None:
        time.sleep(deadline.left)
        while not over() and main.ident:
            if not busy():
                signal.pthread_kill(main.ident, signal.SIGINT)
            time.sleep(_PACE)

    main = threading.main_thread()
    threading.Thread(target=interrupt, name="deadline", daemon=True).start()
