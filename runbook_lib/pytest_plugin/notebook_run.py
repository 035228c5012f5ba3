"""A run as pytest is told of it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from runbook_lib.model.records import RunRecord
from runbook_lib.report.summary import BAD

__all__ = ["Ran"]


class Ran(BaseModel):
    """One run that was made, or could not be; it travels to the workers of pytest-xdist as JSON.

    Args:
        notebook: The runbook's file.
        name: Tells it from other runs of the same notebook: its parameters file.
        directory: The evidence; empty when there is none.
        record: What the journal tells; None where there is none.
        problem: What went wrong outside of any step.
        stopped: The user or a signal ended it.
    """

    notebook: Path
    name: str
    directory: str = ""
    record: RunRecord | None = None
    problem: str = ""
    stopped: bool = False

    @property
    def well(self) -> bool:
        """Whether a runbook that needs this one may go on."""
        return self.record is not None and self.record.status not in BAD
