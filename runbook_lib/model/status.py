"""Modes of a run, and outcomes of steps and runs."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["BAD", "SYMBOLS", "Mode", "Status", "worst"]


class Mode(StrEnum):
    """What a run may do."""

    PLAN = "plan"
    APPLY = "apply"
    VALIDATE = "validate"


class Status(StrEnum):
    """The outcome of a step on a host, and of a run."""

    OK = "ok"
    CHANGED = "changed"
    PLANNED = "planned"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"

    @property
    def is_success(self) -> bool:
        """Whether this outcome is a success; `skipped` and `unknown` are not."""
        return self in {Status.OK, Status.CHANGED, Status.PLANNED}

    @property
    def exit_code(self) -> int:
        """The exit code of a command whose runs have this status; 0 only after something was done or checked."""
        return _EXIT_CODES.get(self, 0)


BAD = frozenset({Status.FAILED, Status.UNREACHABLE, Status.INTERRUPTED, Status.UNKNOWN})
"""Statuses that need attention: with one of them a run is unsuccessful."""

_EXIT_CODES = {
    Status.SKIPPED: 5,
    Status.FAILED: 1,
    Status.UNREACHABLE: 3,
    Status.INTERRUPTED: 4,
    Status.UNKNOWN: 4,
}

_FROM_BEST = [
    Status.OK,
    Status.SKIPPED,
    Status.PLANNED,
    Status.CHANGED,
    Status.FAILED,
    Status.UNREACHABLE,
    Status.INTERRUPTED,
    Status.UNKNOWN,
]


def worst(statuses: list[Status]) -> Status:
    """Return the worst status; `unknown` for an empty list, and `skipped` only if all are `skipped`."""
    done = [status for status in statuses if status is not Status.SKIPPED]
    return max(done or statuses, key=_FROM_BEST.index, default=Status.UNKNOWN)


SYMBOLS = {
    Status.OK: "✓",
    Status.CHANGED: "✎",
    Status.PLANNED: "…",
    Status.SKIPPED: "»",
    Status.FAILED: "✗",
    Status.UNREACHABLE: "⌀",
    Status.INTERRUPTED: "■",
    Status.UNKNOWN: "?",
}
"""A symbol for each status, so that colour is never the only difference."""
