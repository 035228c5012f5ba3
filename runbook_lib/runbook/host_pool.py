"""Work on many hosts side by side."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Workers"]

_Thing = TypeVar("_Thing")
_Result = TypeVar("_Result")


class Workers:
    """A run's threads, kept from step to step: quick steps on many hosts would spend their time on starting them.

    Args:
        at_most: How many work at the same time.
    """

    def __init__(self, at_most: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=at_most, thread_name_prefix="host")

    def each(self, work: Callable[[_Thing], _Result], things: Sequence[_Thing]) -> list[_Result]:
        """Do the work for each thing and return what came of it, in their order.

        Args:
            work: Called in one of the threads.
            things: What it is called with.

        Raises:
            Exception: The first that any of them raised, once all have ended.
        """
        futures = [self._pool.submit(work, thing) for thing in things]
        wait_for(futures)
        try:
            return list(map(Future.result, futures))
        finally:
            futures.clear()  # with what one of them raised they would keep each other, and the run, alive
