"""How a run ended, by its journal, and the exit code that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import RunRecord

__all__ = ["Outcome", "exit_code"]

_CODES = {
    Status.FAILED: 1,
    Status.UNREACHABLE: 3,
    Status.INTERRUPTED: 4,
    Status.UNKNOWN: 4,
}


class Outcome:
    """How a headless run ended.

    Args:
        path: The run directory.
        record: What the journal tells; None where there is none.
        problem: What went wrong outside of any step, in words.
    """

    def __init__(self, path: Path, record: RunRecord | None, problem: str = "") -> None:
        self.path = path
        self.record = record
        self.problem = problem

    @classmethod
    def read(cls, path: Path, problem: str = "") -> Self:
        """Return the outcome that a run directory's journal tells; without one its record is None."""
        try:
            return cls(path, read_journal(path), problem)
        except EvidenceError as nothing:
            return cls(path, None, problem or str(nothing))

    @property
    def status(self) -> Status:
        """The run's status; without a journal it is unknown."""
        return self.record.status if self.record else Status.UNKNOWN

    @property
    def sentence(self) -> str:
        """What became of the run, and why where it is known."""
        why = (self.record.message or self.record.incomplete) if self.record else self.problem
        return f"run {self.path} is {self.status}" + (f": {why}" if why else "")


def exit_code(status: Status) -> int:
    """Return the exit code for a run's status: 0 only for a run that ended well."""
    return _CODES.get(status, 0)
