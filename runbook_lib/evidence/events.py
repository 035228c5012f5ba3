"""The lines by which a run's journal tells the run, its steps, and their hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook_lib.evidence.journal import Journal
    from runbook_lib.model.records import HostRecord, RunRecord, StepRecord

__all__ = ["host_ended", "run_ended", "run_started", "step_ended", "step_started"]


def run_started(journal: Journal, record: RunRecord) -> None:
    """Tell all that is known of a run at its start."""
    told = record.model_dump(mode="json", exclude={"steps", "status", "ended", "message", "incomplete"})
    journal.append("run_started", **told)


def step_started(journal: Journal, step: StepRecord, hosts: list[str]) -> None:
    """Tell a step, and on which hosts it is to be carried out."""
    journal.append(
        "step_started",
        step=step.number,
        title=step.title,
        kind=step.kind,
        hosts=hosts,
        started=step.started.isoformat(),
    )


def host_ended(journal: Journal, number: int, record: HostRecord) -> None:
    """Tell how a step ended on one host, besides the commands, which are told already."""
    told = record.model_dump(mode="json", exclude={"commands"})
    told["host_kind"] = told.pop("kind")
    told["commands"] = [command.number for command in record.commands if command.number]
    # Commands that were only planned were never sent, so the journal has no lines of their own for them.
    told["planned"] = [command.model_dump(mode="json") for command in record.commands if not command.number]
    journal.append_nowait("host_ended", step=number, **told)


def step_ended(journal: Journal, step: StepRecord) -> None:
    """Tell the status that decides for all of a step's hosts."""
    journal.append(
        "step_ended",
        step=step.number,
        status=step.status,
        ended=step.ended.isoformat() if step.ended else None,
    )


def run_ended(journal: Journal, record: RunRecord) -> None:
    """Tell the end, without which no run is a success."""
    journal.append(
        "run_ended",
        status=record.status,
        message=record.message,
        ended=record.ended.isoformat() if record.ended else None,
        steps=len(record.steps),
    )
