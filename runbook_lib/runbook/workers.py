"""Work on many hosts side by side, and hear an interrupt without losing any host's result."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Workers"]

_log = logging.getLogger(__name__)
_Thing = TypeVar("_Thing")
_Result = TypeVar("_Result")


class Workers:
    """A run's threads, kept from step to step: quick steps on many hosts would spend their time on starting them.

    Args:
        at_most: How many work at the same time.
    """

    def __init__(self, at_most: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=at_most, thread_name_prefix="host")

    def each(
        self,
        work: Callable[[_Thing], _Result],
        things: Sequence[_Thing],
        interrupted: Callable[[], None] = lambda: None,
    ) -> list[_Result]:
        """Do the work for each thing and return what came of it, in their order.

        Args:
            work: Called in one of the threads.
            things: What it is called with.
            interrupted: Called at the first Ctrl-C: it tells those at work, whose end is waited for in any case.

        Raises:
            Exception: The first that any of them raised, once all have ended.
        """
        futures: list[Future[_Result]] = []
        heard = False
        while True:
            try:
                # An interrupt may come in the middle of this: what was not begun is begun then.
                for thing in things[len(futures) :]:
                    futures.append(self._pool.submit(work, thing))  # noqa: PERF401 - see above
                wait_for(futures)
                break
            except KeyboardInterrupt:
                if heard:
                    _log.warning("already stopping: waiting for the commands under way")
                heard = True
                interrupted()
        try:
            return list(map(Future.result, futures))
        finally:
            futures.clear()  # with what one of them raised they would keep each other, and the run, alive
