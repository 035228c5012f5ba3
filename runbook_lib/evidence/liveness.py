"""Whether a run whose journal has no end is still under way, or was killed."""

from __future__ import annotations

import fcntl
import platform
import time
from enum import StrEnum
from typing import TYPE_CHECKING

from runbook_lib.process_identity import boot_id, start_ticks

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import RunRecord

__all__ = ["Liveness", "has_writer", "liveness", "still_running"]

_BEGINS_WITHIN = 2.0  # seconds from a process's fork until it runs a program of its own
_PACE = 0.01


class Liveness(StrEnum):
    """What is known of a run's process."""

    ENDED = "ended"
    RUNNING = "running"
    STALE = "stale"
    UNDETERMINED = "undetermined"


def liveness(record: RunRecord) -> Liveness:
    """Return whether a run has ended, goes on, or lost its process before its end.

    Args:
        record: As the journal tells it now; read it anew to ask again.

    Returns:
        `stale` where the process that wrote the journal is gone; `undetermined` where it ran on another machine, or
        its journal does not tell enough to know it from a later process with the same number.
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
    """Return whether a process of this machine has a journal open to write it, and has written its first line."""
    try:
        with journal.open("rb") as file:
            if not file.readline().endswith(b"\n"):
                return False
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def still_running(journal: Path, record: RunRecord) -> bool:
    """Return whether a run's journal is held by more than what its dead process was just beginning.

    A process that is killed while it begins another leaves it the open journal, until that one runs its program.

    Args:
        journal: The file.
        record: As the journal tells it.
    """
    over = time.monotonic() + _BEGINS_WITHIN
    while has_writer(journal):
        if liveness(record) is not Liveness.STALE or time.monotonic() > over:
            return True
        time.sleep(_PACE)
    return False
