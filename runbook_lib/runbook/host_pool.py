"""Work on many hosts in parallel."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["HostPool"]

_REFRESH = 0.5  # seconds between two calls of `meanwhile`, and until a signal is handled at the latest

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class HostPool:
    """A run's threads, kept from step to step: starting them again would dominate quick steps on many hosts.

    Args:
        limit: Most hosts to work on at the same time.
    """

    def __init__(self, limit: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=limit, thread_name_prefix="host")

    def map(
        self,
        function: Callable[[_Item], _Result],
        items: Sequence[_Item],
        meanwhile: Callable[[], object] | None = None,
    ) -> list[_Result]:
        """Call a function for each item in the pool's threads; return the results in the items' order.

        Args:
            function: Called in one of the threads.
            items: Its arguments.
            meanwhile: Called in this thread again and again until all calls have returned.

        Raises:
            Exception: The first exception of any call, once all calls have returned; or that no thread can be started.
        """
        futures: list[Future[_Result]] = []
        begun: list[threading.Event] = []
        given_up = False

        def call(item: _Item) -> _Result:
            ended = threading.Event()
            begun.append(ended)
            try:
                if given_up:
                    raise CancelledError
                return function(item)
            finally:
                ended.set()

        try:
            futures.extend(self._pool.submit(call, item) for item in items)
            # Never without end: the kernel may give Ctrl-C to any thread; Python handles it in this one once it wakes.
            while wait_for(futures, timeout=_REFRESH).not_done:
                if meanwhile:
                    meanwhile()
            return list(map(Future.result, futures))
        finally:
            # No call may outlast its step: not even one for which no thread could be started, and which has no future.
            given_up = True
            for future in futures:
                future.cancel()
            for ended in begun:
                while not ended.wait(_REFRESH):
                    pass
            futures.clear()  # a future and the exception it holds refer to each other, and would keep the run alive
