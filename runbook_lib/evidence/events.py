"""Write the journal lines that record a run, its steps and their hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook_lib.evidence.journal import Journal
    from runbook_lib.model.records import HostRecord, RunRecord, StepRecord

__all__ = ["host_ended", "run_ended", "run_started", "step_ended", "step_started"]


def run_started(journal: Journal, record: RunRecord) -> None:
    """Record everything known about a run at its start."""
    fields = record.model_dump(mode="json", exclude={"steps", "status", "ended", "message", "incomplete"})
    journal.append("run_started", **fields)


def step_started(journal: Journal, step: StepRecord, hosts: list[str]) -> None:
    """Record the start of a step, and the hosts it runs on."""
    journal.append(
        "step_started",
        step=step.number,
        title=step.title,
        kind=step.kind,
        hosts=hosts,
        started=step.started.isoformat(),
    )


def host_ended(journal: Journal, number: int, record: HostRecord) -> None:
    """Record the result of a step on one host; its commands have journal lines of their own."""
    fields = record.model_dump(mode="json", exclude={"commands"})
    fields["host_kind"] = fields.pop("kind")
    fields["commands"] = [command.number for command in record.commands if command.number]
    # Planned commands were never sent, so they have no journal lines of their own.
    fields["planned"] = [command.model_dump(mode="json") for command in record.commands if not command.number]
    journal.append_nowait("host_ended", step=number, **fields)


def step_ended(journal: Journal, step: StepRecord) -> None:
    """Record the overall status of a step."""
    journal.append(
        "step_ended",
        step=step.number,
        status=step.status,
        ended=step.ended.isoformat() if step.ended else None,
    )


def run_ended(journal: Journal, record: RunRecord) -> None:
    """Record the end of a run; without this line a run never counts as successful."""
    journal.append(
        "run_ended",
        status=record.status,
        message=record.message,
        ended=record.ended.isoformat() if record.ended else None,
        steps=len(record.steps),
    )
