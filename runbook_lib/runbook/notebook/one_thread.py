"""One thread of one process at a time works on a run: its journal has one step after the other."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

from runbook_lib.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["OneThread"]


class OneThread:
    """Lets the thread in that works on a run, and refuses others meanwhile; a thread may begin one thing in another."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._doing = ""

    @property
    def forked(self) -> bool:
        """Whether this process was forked from the one that opened the run: the threads that reach hosts are there."""
        return os.getpid() != self._process

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Do something that no other thread may do at the same time.

        Args:
            what: It, for messages, such as `step 'Install'`.

        Raises:
            ParameterError: Another thread is doing something, or this is a forked process. Nothing was sent to hosts.
        """
        if self.forked:
            raise ParameterError(
                "a forked process must not run steps of the runbook that its parent process opened",
                where=what,
                hint="run steps in the process that opened the run; nothing was sent to hosts",
            )
        if not self._lock.acquire(blocking=False):
            raise ParameterError(
                f"another thread is in {self._doing or 'the end of the run'}",
                where=what,
                hint="call steps from one thread: `book.step` works on all its hosts in parallel; "
                "nothing was sent to hosts",
            )
        with self._noted(what):
            yield

    @contextlib.contextmanager
    def after_others(
        self, on_interrupt: Callable[[], contextlib.AbstractContextManager[None]]
    ) -> Iterator[None]:
        """Do something as soon as no other thread is doing anything: what ends the run must not cut a step off.

        Args:
            on_interrupt: Handles Ctrl-C while the other thread is waited for.
        """
        with on_interrupt():
            self._lock.acquire()
        with self._noted("the end of the run"):
            yield

    @contextlib.contextmanager
    def _noted(self, what: str) -> Iterator[None]:
        before, self._doing = self._doing, what
        try:
            yield
        finally:
            self._doing = before
            self._lock.release()
