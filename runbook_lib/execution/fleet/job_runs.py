"""The runs that a job has made, recognized by their own journals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.project import expanded, project_top

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.execution.fleet.job import Job

__all__ = ["latest_run", "run_of_job", "runs_directory", "runs_of"]


def runs_directory(job: Job) -> Path:
    """Return the directory for runs on this machine."""
    return project_top() / expanded(job.runs)


def run_of_job(first_line: bytes, job: str) -> str:
    """Return the id of the run that a journal belongs to, if that run was made for a job; otherwise nothing.

    Args:
        first_line: The journal's first line.
        job: The job's id.
    """
    entry = _entry(first_line)
    return str(entry.get("run", "")) if entry.get("unit") == job else ""


def runs_of(job: Job, runs: Path) -> Iterator[Path]:
    """Yield the directories of the runs whose own journals name this job.

    Times are not compared: the fleet and its runs may be named by the clocks of different machines, and a job's id is
    unique.
    """
    for run, _ in _runs_of(job, runs):
        yield run


def latest_run(job: Job, runs: Path) -> Path | None:
    """Return the latest run of a job: each attempt resumes the run of the one before; None if no run has started."""
    found = dict(_runs_of(job, runs))
    resumed = {entry.get("resumes") for entry in found.values()}
    return max([run for run in found if run.name not in resumed] or found, default=None)


def _runs_of(job: Job, runs: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for journal in runs.glob(f"*_{job.runbook}_*/{JOURNAL}"):
        try:
            with journal.open("rb") as file:
                entry = _entry(file.readline())
        except OSError:
            continue
        if entry.get("unit") == job.id:
            yield journal.parent, entry


def _entry(line: bytes) -> dict[str, Any]:
    """Return a journal's first entry; empty if it is not complete: no command is sent before it is."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}
