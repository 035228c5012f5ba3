"""How a headless run ended, as `evidence.judgement` decides it, and what follows from that for later runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.judgement import judged_record
from runbook_lib.model.status import Status, worst

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.model.records import RunRecord

__all__ = ["Outcome", "exit_code_of_all", "succeeded"]


@dataclass(frozen=True)
class Outcome:
    """How a headless run ended.

    Args:
        path: The run directory.
        record: The run as it was judged; None without a journal.
        problem: What went wrong outside of any step.
        interrupted: A signal stopped the run, or came too late to stop it.
        evidence_problem: What is wrong with its evidence: its reports or its seal could not be written, for example.
        later: Directories of further runs that the same notebook opened.
    """

    path: Path
    record: RunRecord | None
    problem: str = ""
    interrupted: bool = False
    evidence_problem: str = ""
    later: tuple[Path, ...] = ()

    @classmethod
    def read(cls, path: Path, problem: str = "", *, interrupted: bool = False) -> Self:
        """Return how a run directory is judged; without a journal its record is None."""
        try:
            return cls(path, judged_record(path), problem, interrupted)
        except EvidenceError as missing:
            return cls(path, None, problem or str(missing), interrupted)

    @property
    def status(self) -> Status:
        """The run's status; unknown without a journal, with incomplete evidence, or if problems contradict success."""
        if self.record is None or self.evidence_problem:
            return Status.UNKNOWN
        return Status.UNKNOWN if self.problem and self.record.status.is_success else self.record.status

    @property
    def problems(self) -> str:
        """What went wrong outside of any step, in one line."""
        further = self.evidence_problem if self.evidence_problem not in self.problem else ""
        return "; ".join(filter(None, (self.problem, further)))


def succeeded(status: Status) -> bool:
    """Return whether runs that need a run with this status may start."""
    return status.is_success or status is Status.SKIPPED


def exit_code_of_all(statuses: Sequence[Status]) -> int:
    """Return the exit code for several runs: that of the worst."""
    return worst([*statuses]).exit_code
