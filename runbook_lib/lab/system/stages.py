"""What long work in the lab is doing now, and how long it usually takes: the records of one logger."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LOGGER", "Stage", "detail", "stage"]

LOGGER = __name__
"""Name of the logger; each record has its `Stage` as the attribute `stage`."""
_log = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class Stage:
    """A part of long work.

    Args:
        what: What is being done, as in `the root file system of the hosts`.
        usually: Seconds that it usually takes; 0: only a moment.
        detail: Which part of it is being done now.
        seconds: How long it took; None: it is not done yet.
        failed: Whether it ended with an error.
    """

    what: str
    usually: float = 0.0
    detail: str = ""
    seconds: float | None = None
    failed: bool = False


@contextlib.contextmanager
def stage(what: str, usually: float = 0.0) -> Iterator[None]:
    """Report that a part of long work begins, and that it is done.

    Args:
        what: As for `Stage`.
        usually: As for `Stage`.
    """
    begun, started = Stage(what, usually), time.monotonic()
    _report(begun)
    done = False
    try:
        yield
        done = True
    finally:
        _report(replace(begun, seconds=time.monotonic() - started, failed=not done))


def detail(text: str) -> None:
    """Report which part of the current stage is being done now.

    Args:
        text: The part, as in `image redis-server (2 of 4)`.
    """
    _report(Stage("", detail=text))


def _report(reported: Stage) -> None:
    _log.info("%s", reported.what or reported.detail, extra={"stage": reported})
