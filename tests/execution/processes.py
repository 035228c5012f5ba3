"""Processes according to /proc."""

from __future__ import annotations

import os
import signal
from pathlib import Path

__all__ = ["alive", "children", "kill", "parent_of"]


def _stat(pid: int) -> list[str]:
    """State, parent and what follows; empty without such a process."""
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


def kill(pid: int) -> None:
    """Send SIGKILL to a process that a test found by its place in the tree; never to the tests themselves."""
    ours, other = set(), os.getpid()
    while other > 1:
        ours.add(other)
        other = parent_of(other)
    assert pid > 1, f"process {pid} is not one that a test has started"
    assert pid not in ours, (
        f"process {pid} is one of the tests' own: the tree is not as the test takes it to be"
    )
    os.kill(pid, signal.SIGKILL)
