"""Calls into libraries that may never return: they are ended, or left behind, once the time is up.

A library like paramiko waits without a limit for some answers of a host, and has no way to be stopped. It does stop
when its transport is closed under it. Some calls do not even then, such as one to ssh-agent or to the resolver of
names: they run in a thread of their own, which is left behind.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import TYPE_CHECKING, TypeVar

from runbook_lib.grace_periods import OVERDUE_CALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runbook_lib.connections.command_wait import CommandWait

__all__ = ["OverdueError", "abort_when_overdue", "call_or_leave"]

T = TypeVar("T")
_POLL = 0.1  # seconds between checks of the clock and of an interrupt


class OverdueError(Exception):
    """An exchange with a host was given up: its deadline has passed, or the run was interrupted."""


@contextlib.contextmanager
def abort_when_overdue(wait: CommandWait, abort: Callable[[], None]) -> Iterator[None]:
    """Call `abort` from another thread if the block has not ended `OVERDUE_CALL` seconds after a wait is over.

    Args:
        wait: The wait that the block should watch itself.
        abort: Closes what the block is waiting for. It must not block.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_POLL):
            if wait.expired(OVERDUE_CALL):
                abort()
                return

    watcher = threading.Thread(target=watch, name="deadline of an exchange", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def call_or_leave(
    work: Callable[[], T], wait: CommandWait, abort: Callable[[], None], discard: Callable[[T], None]
) -> T:
    """Return what a call returns; once the wait is over, abort the call and leave it behind.

    Args:
        work: Called in a thread of its own.
        wait: When to stop waiting.
        abort: Closes what the call is waiting for. It must not block.
        discard: Closes what the call returns after it was left behind.

    Raises:
        OverdueError: The wait is over; its message says why.
        Exception: Whatever the call raises.
    """
    future: Future[T] = Future()
    left = threading.Event()

    def run(future: Future[T]) -> None:
        try:
            future.set_result(work())
        except BaseException as problem:  # noqa: BLE001 - raised again by the thread that waits
            future.set_exception(problem)
        if left.is_set() and not future.exception():
            discard(future.result())

    threading.Thread(target=run, args=(future,), name="connecting", daemon=True).start()
    try:
        while not wait_for([future], timeout=_POLL).done:
            if why := wait.expired():
                left.set()
                abort()
                raise OverdueError(why)
        return future.result()
    finally:
        del future  # it and the exception that it holds refer to each other
