"""Processes as /proc tells them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["alive", "children", "parent_of", "wait_until"]

T = TypeVar("T")
_PATIENCE = 60.0


def _stat(pid: int) -> list[str]:
    """State, parent and what follows; nothing where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped."""
    return _stat(pid)[:1] not in ([], ["Z"])


def parent_of(pid: int) -> int:
    return int(_stat(pid)[1])


def children(pid: int) -> list[int]:
    found = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [other for other in found if _stat(other)[1:2] == [str(pid)]]


def wait_until(look: Callable[[], T | None]) -> T:
    """Return the first answer that is neither None nor False; fail where none comes."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        answer = look()
        if answer is not None and answer is not False:
            return answer
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)
