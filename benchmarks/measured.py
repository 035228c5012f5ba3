"""How a program of a row measures itself, where the start of an interpreter is not what is compared.

The program writes its seconds to the file that the environment variable `SECONDS_FILE` names.
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SECONDS_FILE", "least", "report"]

SECONDS_FILE = "SECONDS_FILE"


def report(seconds: float) -> None:
    """Report the seconds that count."""
    Path(os.environ[SECONDS_FILE]).write_text(f"{seconds:.6f}", encoding="ascii")


def least(work: Callable[[], object], times: int, before: Callable[[], object] = lambda: None) -> float:
    """Return the shortest of several times, in seconds: other programs use the machine too.

    Args:
        work: What is measured.
        times: How often.
        before: Called before each time, and not measured.
    """
    taken = []
    for _ in range(times):
        before()
        gc.collect()
        began = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - began)
        del result
    return min(taken)
