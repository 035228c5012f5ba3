"""Whether a run whose journal has no end is still under way, or was killed."""

from __future__ import annotations

import platform
from enum import StrEnum
from typing import TYPE_CHECKING

from runbook_lib.processes import began, boot

if TYPE_CHECKING:
    from runbook_lib.model import RunRecord

__all__ = ["Liveness", "liveness"]


class Liveness(StrEnum):
    """What is known of a run's process."""

    ENDED = "ended"
    RUNNING = "running"
    STALE = "stale"
    UNSEEN = "unseen"


def liveness(record: RunRecord) -> Liveness:
    """Return whether a run has ended, goes on, or lost its process before its end.

    Args:
        record: As the journal tells it now; read it anew to ask again.

    Returns:
        `stale` where the process that wrote the journal is gone; `unseen` where it ran on another machine, or
        its journal does not tell enough to know it from a later process with the same number.
    """
    if record.ended is not None:
        return Liveness.ENDED
    if record.machine != platform.node():
        return Liveness.UNSEEN
    if record.boot and record.boot != boot():
        return Liveness.STALE
    start = began(record.pid)
    if not start:
        return Liveness.STALE
    if not record.pid_began:
        return Liveness.UNSEEN
    return Liveness.RUNNING if start == record.pid_began else Liveness.STALE
