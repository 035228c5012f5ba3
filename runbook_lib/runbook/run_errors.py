"""The errors by which a notebook learns that its run has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError, Interrupted, StepFailed
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.model.status import BAD

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import RunRecord, StepRecord

__all__ = ["evidence_not_complete", "interrupted_in_step", "run_failed", "step_failed"]


def interrupted_in_step(step: StepRecord, run: str) -> Interrupted:
    """Return the error of a run that was interrupted in a step."""
    return Interrupted(
        f"the run was interrupted in step {step.number} {step.title!r}",
        where=run,
        hint="run it again: steps already in the desired state report ok",
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
        hint="; ".join([*hints, f"the journal is {directory / JOURNAL}"]),
    )


def run_failed(record: RunRecord) -> StepFailed:
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
            hint="run the cells of the steps before the run is closed",
        )
    return StepFailed(
        "\n  ".join([f"the run is {record.status}:", *reasons]),
        where=record.run,
        hint="see the red cards for the reasons",
    )


def evidence_not_complete(record: RunRecord, problem: str, directory: Path) -> EvidenceError:
    """Return the error of a run that succeeded, but was not sealed, or whose reports could not be written."""
    return EvidenceError(
        f"the run is {record.status}, but its evidence is not complete: {problem}",
        where=str(directory),
        hint=f"when that is repaired: `runbook audit seal {record.run}`",
    )
