"""How long tests wait for what must come: one place, stretched with the machine's load.

A wait ends as soon as what it waits for is there, so a generous deadline costs nothing where all is well. What must
*not* take long (a promise of promptness) is given in seconds of an idle machine too, and stretched alike.
`RUNBOOK_TEST_TIME_FACTOR` multiplies every deadline, for a machine that is slow at all times.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FACTOR", "TEST", "deadline", "time_factor", "wait_until"]

T = TypeVar("T")
FACTOR = "RUNBOOK_TEST_TIME_FACTOR"
TEST = 900.0  # seconds for one test with its fixtures, on an idle machine; pytest-timeout ends it then
_WAIT = 60.0  # seconds until something that must come has come, on an idle machine
_MOST = 8.0  # a load average remembers what has ended: a higher one does not justify waiting longer


def time_factor() -> float:
    """Return how many times longer than on an idle machine things may take now: at least 1."""
    given = float(os.environ.get(FACTOR, "1"))
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return given * min(max(1.0, load), _MOST)


def deadline(seconds: float) -> float:
    """Return what some seconds of an idle machine are on this one, now."""
    return seconds * time_factor()


def wait_until(answer: Callable[[], T | None], what: str = "", *, seconds: float = _WAIT) -> T:
    """Return the first answer that is not false; fail where none comes in time.

    Args:
        answer: Asked again and again.
        what: What is waited for, for the message.
        seconds: On an idle machine.
    """
    left = deadline(seconds)
    end = time.monotonic() + left
    while True:
        found = answer()
        if found:
            return found
        assert time.monotonic() < end, f"{what or 'what was waited for'} did not come within {left:.0f} s"
        time.sleep(0.02)
