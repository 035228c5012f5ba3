"""The errors by which a notebook learns that its run has failed, or ends before its last batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError, Interrupted, StepFailed
from runbook_lib.evidence.layout import HTML_REPORT
from runbook_lib.model.status import BAD, Status

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.batches import Batch
    from runbook_lib.model.records import RunRecord, StepRecord
    from runbook_lib.runbook.steps.deadline import Deadline

__all__ = [
    "batch_not_confirmed",
    "deadline_in_pause",
    "end_not_recorded",
    "evidence_not_complete",
    "interrupted_between_steps",
    "interrupted_in_pause",
    "interrupted_in_step",
    "no_further_batch",
    "run_failed",
    "step_failed",
]


_HOW_TO_CONTINUE = (
    "`runbook run --resume {run}` continues the run; "
    "in a new run, steps already in the desired state report ok"
)


def interrupted_between_steps(deadline: Deadline | None) -> tuple[Status, str]:
    """Return status and message of a run that an interrupt ends now: the person's, or that of its deadline."""
    if deadline and deadline.passed:
        return Status.FAILED, f"between two steps: {deadline.message}"
    return Status.INTERRUPTED, "interrupted between two steps"


def interrupted_in_step(step: StepRecord, run: str) -> Interrupted:
    """Return the error of a run that was interrupted in a step."""
    return Interrupted(
        f"the run was interrupted in step {step.number} {step.title!r}",
        where=run,
        hint=_HOW_TO_CONTINUE.format(run=run),
    )


def step_failed(step: StepRecord, run: str, directory: Path) -> StepFailed:
    """Return the error of a run that ends at a failed step: that of the first host, with its hints."""
    first = next(host for host in step.hosts if host.status in BAD)
    message, *hints = first.message.split(
        "\n  hint: "
    )  # of the error on the host: there is one hint in the end
    return StepFailed(
        f"step {step.number} {step.title!r} is {step.status} on {first.host}: "
        f"{message.removeprefix(f'{first.host}: ')}",
        where=run,
        hint="; ".join([*hints, f"the report is {directory / HTML_REPORT}"]),
    )


def run_failed(record: RunRecord, directory: Path) -> StepFailed:
    """Return the error of a run that has ended without success, with the first line of each failure."""
    failures = [
        f"step {step.number} {step.title!r} on {host.host}: {host.message.partition(chr(10))[0]}"
        for step in record.steps
        for host in step.hosts
        if host.status in BAD
    ]
    reasons = [*filter(None, (record.message, *failures))]
    if not record.steps and not reasons:
        return StepFailed(
            f"the run is {record.status}: it has no steps",
            where=record.run,
            hint="run the cells that have steps before the cell that closes the run",
        )
    return StepFailed(
        "\n  ".join([f"the run is {record.status}:", *reasons]),
        where=record.run,
        hint=f"the report is {directory / HTML_REPORT}" if failures else None,
    )


def no_further_batch(record: RunRecord, after: Batch | None, directory: Path) -> StepFailed:
    """Return the error of a loop over batches whose run has ended.

    Args:
        record: The run.
        after: The batch that was carried out last; None: no batch has begun.
        directory: The run's directory.
    """
    last = f" after {after.title}" if after else ""
    why = f": {record.message}" if record.message else ""
    return StepFailed(
        f"the run has ended as {record.status}: no batch{last} is begun{why}",
        where=record.run,
        hint=f"the report is {directory / HTML_REPORT}",
    )


def deadline_in_pause(record: RunRecord) -> StepFailed:
    """Return the error of a run whose time ended in the pause between two batches, as its record says."""
    return StepFailed(record.message, where=record.run)


def interrupted_in_pause(record: RunRecord, before: Batch) -> Interrupted:
    """Return the error of a run that was interrupted in the pause before a batch."""
    return Interrupted(
        f"the run was interrupted in the pause before {before.title}",
        where=record.run,
        hint=_HOW_TO_CONTINUE.format(run=record.run),
    )


def batch_not_confirmed(record: RunRecord) -> Interrupted:
    """Return the error of a run whose person did not confirm the next batch, as its record says."""
    return Interrupted(record.message, where=record.run, hint="resume the run to continue with this batch")


def end_not_recorded(record: RunRecord, directory: Path) -> EvidenceError:
    """Return the error of a step after the end of a run that could not be recorded."""
    return EvidenceError(
        f"run {record.run} was closed, but its end is not in the journal: it gets no further steps",
        where=str(directory),
        hint="close the run again: `book.close()`",
    )


def evidence_not_complete(record: RunRecord, problem: str, directory: Path) -> EvidenceError:
    """Return the error of a run that succeeded, but was not sealed, or whose reports could not be written."""
    return EvidenceError(
        f"the run is {record.status}, but its evidence is not complete: {problem}",
        where=str(directory),
        hint=f"fix that, then run `runbook audit seal {record.run}`",
    )
