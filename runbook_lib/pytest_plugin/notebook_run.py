"""A run as pytest's nodes need it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from runbook_lib.model.records import RunRecord
from runbook_lib.model.status import Status

__all__ = ["NotebookRun"]


class NotebookRun(BaseModel):
    """One run that was made, or could not be; the workers of pytest-xdist receive it as JSON.

    Args:
        notebook: The runbook's file.
        name: Distinguishes it from other runs of the same notebook: the name of its parameters file.
        status: How it ended; as `runbook run` judges it.
        directory: The evidence; empty if no run was made.
        record: The run according to its journal; None without a journal.
        problem: What went wrong outside of any step.
        interrupted: The user or a signal stopped it.
    """

    notebook: Path
    name: str
    status: Status = Status.UNKNOWN
    directory: str = ""
    record: RunRecord | None = None
    problem: str = ""
    interrupted: bool = False
