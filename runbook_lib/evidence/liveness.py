"""Decide whether a run whose journal has no end is still running or was killed."""

from __future__ import annotations

import platform
import time
from enum import StrEnum
from typing import TYPE_CHECKING

from runbook_lib import file_lock
from runbook_lib.grace_periods import FORK_TO_EXEC
from runbook_lib.process_identity import boot_id, start_ticks

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import RunRecord

__all__ = ["Liveness", "has_writer", "liveness", "still_running"]

_POLL = 0.01  # seconds


class Liveness(StrEnum):
    """What is known about the process of a run."""

    ENDED = "ended"
    RUNNING = "running"
    STALE = "stale"
    UNDETERMINED = "undetermined"


def liveness(record: RunRecord) -> Liveness:
    """Return whether a run has ended, is running, or lost its process before its end.

    Args:
        record: The run as its journal records it now; read the journal again before a second call.

    Returns:
        `stale` if the process that wrote the journal is gone; `undetermined` if it ran on another machine, or if the
        journal lacks the start time that distinguishes the process from a later one with the same PID.
    """
    if record.ended is not None:
        return Liveness.ENDED
    if record.machine != platform.node():
        return Liveness.UNDETERMINED
    if record.boot and record.boot != boot_id():
        return Liveness.STALE
    start = start_ticks(record.pid)
    if not start:
        return Liveness.STALE
    if not record.pid_began:
        return Liveness.UNDETERMINED
    return Liveness.RUNNING if start == record.pid_began else Liveness.STALE


def has_writer(journal: Path) -> bool:
    """Return whether a process of this machine has a journal open for writing and has written its first line."""
    try:
        with journal.open("rb") as file:
            if not file.readline().endswith(b"\n"):
                return False
            return not file_lock.acquire(file, shared=True, wait=False)
    except OSError:
        return False


def still_running(journal: Path, record: RunRecord) -> bool:
    """Return whether a run's journal still has a writer, other than a child that its killed process was just starting.

    A process that is killed while it starts a child leaves the journal open in the child until the child executes its
    own program; this function waits that long.

    Args:
        journal: The journal file.
        record: The run as its journal records it.
    """
    deadline = time.monotonic() + FORK_TO_EXEC
    while has_writer(journal):
        if liveness(record) is not Liveness.STALE or time.monotonic() > deadline:
            return True
        time.sleep(_POLL)
    return False
