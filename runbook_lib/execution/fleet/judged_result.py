"""Judge a worker's result by the evidence that is here: what a worker reports is never enough for a success."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runbook_lib.attestation.files import evidence
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import ATTESTATION, JOURNAL, NOTEBOOK
from runbook_lib.evidence.regular_file import digest
from runbook_lib.execution.fleet.job_runs import run_of_job
from runbook_lib.execution.notebook.outcome import Outcome
from runbook_lib.model.status import BAD, Status, worst
from runbook_lib.runbook.notebook.checked_input import CheckedInput

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.execution.fleet.job import Job, JobResult

__all__ = ["judged_result"]


def judged_result(job: Job, result: JobResult, run: Path | None) -> JobResult:
    """Return a worker's result, made worse by whatever the evidence does not confirm; never better.

    Args:
        job: The job.
        result: What the worker reported.
        run: The run's directory on this machine; None if there is none.

    Returns:
        The result with this directory as its path.
    """
    here = replace(result, job=job.id, path=str(run) if run else "", later=())
    problem, status = "", Status.UNKNOWN
    if result.job != job.id:
        problem = f"the worker reported job {result.job}, not {job.id}"
    elif result.status in BAD:
        return replace(here, status=worst([result.status, Outcome.read(run).status])) if run else here
    elif run is None:
        problem = f"the worker reported {result.status}, but no evidence of the run is here"
    else:
        try:
            status, problem = _check(job, result.status, run)
        except EvidenceError as wrong:
            problem = f"the worker reported {result.status}, but the evidence is not complete: {wrong}"
    if not problem:
        return here
    return replace(here, status=status, problem="; ".join(filter(None, (result.problem, problem))))


def _check(job: Job, reported: Status, run: Path) -> tuple[Status, str]:
    """Return the status of a run that a worker reports as a success, and what contradicts that.

    Raises:
        EvidenceError: The evidence is not that of a run of this job, or is not as it was sealed.
    """
    _refuse_other_job(job, run)
    record = Outcome.read(run).record
    if record is None:
        raise EvidenceError("cannot be read", where=str(run / JOURNAL))
    if record.status in BAD:
        why = record.message or record.incomplete
        by_evidence = f"the run is {record.status}" + (f": {why}" if why else "")
        return record.status, f"the worker reported {reported}, but the evidence shows that {by_evidence}"
    if record.status is not reported:
        return (
            Status.UNKNOWN,
            f"the worker reported {reported}, but the evidence shows that the run is {record.status}",
        )
    if job.checked and (other := [*CheckedInput(**job.checked).contradictions(record)]):
        return Status.FAILED, f"the worker reported {reported}, but {'; '.join(other)}"
    if not (run / NOTEBOOK).is_file():
        raise EvidenceError("missing", where=str(run / NOTEBOOK))
    _compare_with_seal(run)
    return reported, ""


def _refuse_other_job(job: Job, run: Path) -> None:
    try:
        with (run / JOURNAL).open("rb") as file:
            first_line = file.readline()
    except OSError as problem:
        raise EvidenceError(
            f"cannot be read: {problem.strerror or problem}", where=str(run / JOURNAL)
        ) from problem
    if run_of_job(first_line, job.id) != run.name:
        raise EvidenceError("the journal is not that of a run of this job", where=str(run / JOURNAL))


def _compare_with_seal(run: Path) -> None:
    """Compare a run's evidence with the hashes that its seal states; signatures are for `runbook audit verify`.

    Raises:
        EvidenceError: The run is not sealed, or a file is missing, was added or differs.
    """
    # Slow to load, and needed only where Dask is used.
    from runbook_lib.attestation.envelope import open_envelope  # noqa: PLC0415

    if not (run / ATTESTATION).exists():
        raise EvidenceError("the run is not sealed", where=str(run))
    _, statement = open_envelope(run)
    try:
        sealed = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    except (LookupError, TypeError) as problem:
        raise EvidenceError("not a statement about files", where=str(run / ATTESTATION)) from problem
    here = set(evidence(run))
    for name in sorted(here ^ sealed.keys()):
        raise EvidenceError("not sealed" if name in here else "sealed, but missing", where=str(run / name))
    for name in sorted(here):
        if digest(run / name) != sealed[name]:
            raise EvidenceError("differs from what was sealed", where=str(run / name))
