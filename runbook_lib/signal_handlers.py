"""Handle signals while a block runs."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

__all__ = ["STOP_SIGNALS", "interrupting_once", "signal_handler", "surviving_hangup"]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The signals by which a user or a service manager stops a command."""

_log = logging.getLogger(__name__)


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


@contextlib.contextmanager
def interrupting_once(*numbers: signal.Signals) -> Iterator[None]:
    """Raise KeyboardInterrupt at the first of some signals; until the block ends, ignore those that follow.

    What the block then cleans up is not cut short by a second Ctrl-C. A signal that is ignored already, as SIGHUP under
    `nohup`, stays ignored.

    Args:
        numbers: The signals.
    """
    handled = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]

    def interrupt(_number: int, _frame: object) -> NoReturn:
        for number in handled:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    with signal_handler(interrupt, *handled):
        yield


@contextlib.contextmanager
def surviving_hangup() -> Iterator[None]:
    """Continue when the terminal is lost (SIGHUP) while the block runs: work on hosts needs no reader.

    A program that was started with SIGHUP ignored, or that handles it already, keeps that. What the block starts has
    the default again. Outside of the main thread nothing changes.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    default = signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    with signal_handler(_on_hangup, *([signal.SIGHUP] if in_main_thread and default else ())):
        yield


def _on_hangup(_number: int, _frame: object) -> None:
    _log.warning("SIGHUP received: the terminal is lost; continuing without it")
