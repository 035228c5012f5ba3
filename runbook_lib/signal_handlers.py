"""Handle signals while a block runs."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["signal_handler"]


@contextlib.contextmanager
def signal_handler(
    handler: Callable[[int, object], object] | signal.Handlers, *numbers: signal.Signals
) -> Iterator[None]:
    """Handle signals while the block runs, and restore the previous handlers afterwards.

    Only the main thread may use this with a signal: Python handles signals there alone.

    Args:
        handler: Called with the signal's number and the interrupted frame; or a handler of `signal`.
        numbers: The signals; none: nothing changes.
    """
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            if previous is not None:  # None: it was not installed by Python, which cannot restore it
                signal.signal(number, previous)
