"""Every event of a journal: one function each, with its name and fields. Nothing else adds lines to a journal.

`Journal.append` returns once the line is on disk: for what must be known before the next thing happens, such as a
command that is about to be sent. `Journal.append_nowait` is for what has happened already: the line is on disk before
the next `append` returns. `evidence/journal_view.py` puts the entries together again; `docs/architecture.md` lists
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.connections.base import ConnectionInfo
    from runbook_lib.evidence.exposed_secrets import Exposure
    from runbook_lib.evidence.journal import Journal
    from runbook_lib.host_settings import Host
    from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord, StepRecord

__all__ = [
    "LockOutcome",
    "batch_started",
    "command_ended",
    "command_started",
    "confirmation_answered",
    "confirmation_asked",
    "connected",
    "host_ended",
    "lock_answered",
    "lock_asked",
    "lock_released",
    "notebook_copied",
    "pause_ended",
    "pause_started",
    "run_ended",
    "run_started",
    "runner_gone",
    "secret_exposed",
    "step_ended",
    "step_started",
    "transaction_ended",
    "transaction_started",
]

LockOutcome = Literal["taken", "taken over", "shared", "waiting", "refused"]
"""What a host answers to a run that asks for its lock; `shared`: this run holds it under another name of the host."""

_KNOWN_AT_START = frozenset({"kind", "text", "stdin", "purpose", "attempt", "started"})
"""Fields of a command that are recorded before it is sent; all others are recorded after it has ended."""
_UNKNOWN_AT_START = {"steps", "status", "ended", "message", "incomplete", "exposed_secrets"}


def run_started(journal: Journal, record: RunRecord) -> None:
    """Record everything known about a run at its start."""
    fields = record.model_dump(mode="json", exclude=_UNKNOWN_AT_START)
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


def connected(journal: Journal, host: Host, connection: ConnectionInfo, step: int) -> None:
    """Record a connection that was made to a host: where it leads, and which host key was verified."""
    bastions = {"bastions": list(connection.bastions)} if connection.bastions else {}
    journal.append_nowait(
        "connected",
        step=step,
        host=host.name,
        address=connection.address or host.target,
        port=connection.port or host.port,
        key=connection.host_key,
        number=connection.number,
        **bastions,
    )


def command_started(
    journal: Journal, command: CommandRecord, step: int, host: str, *, wait: bool = True
) -> None:
    """Record a command before it is sent. Its number is unique in the run and links both of its entries.

    Args:
        journal: The run's.
        command: The command.
        step: Number of the step.
        host: Name of the host.
        wait: Wait until the line is on disk; False: before the next command of the same group, none of which is sent
            before the last one is on disk.
    """
    fields = command.model_dump(mode="json", include=set(_KNOWN_AT_START))
    if wait:
        journal.append("command_started", step=step, host=host, command=command.number, **fields)
    else:
        journal.append_nowait("command_started", step=step, host=host, command=command.number, **fields)


def command_ended(journal: Journal, command: CommandRecord, step: int, host: str) -> None:
    """Record the end of a command: exit code (null if it is unknown), why it ended, and both output streams."""
    fields = command.model_dump(mode="json", exclude={"number", *_KNOWN_AT_START})
    journal.append_nowait("command_ended", step=step, host=host, command=command.number, **fields)


def lock_asked(journal: Journal, step: int, host: str, text: str) -> None:
    """Record the command that asks a host for its lock, before it is sent."""
    journal.append("lock_asked", step=step, host=host, text=text)


def lock_answered(  # noqa: PLR0913 - the fields of the event
    journal: Journal,
    step: int,
    host: str,
    *,
    outcome: LockOutcome,
    file: str,
    owner: str | None,
    forced: bool | None = None,
) -> None:
    """Record a host's answer to a run that asked for its lock.

    Args:
        journal: The run's.
        step: Number of the step that needs the lock.
        host: Name of the host.
        outcome: What the answer means for this run.
        file: Path of the lock file on the host.
        owner: The other run that holds the lock, or held it last; None if there is none.
        forced: Whether a run that holds the lock was made to release it; None if this run did not get the lock.
    """
    more = {} if forced is None else {"forced": forced}
    journal.append_nowait(
        "lock_answered", step=step, host=host, outcome=outcome, file=file, owner=owner, **more
    )


def lock_released(journal: Journal, host: str, *, orderly: bool) -> None:
    """Record the release of a host's lock; `orderly` if the process that held it was still running."""
    journal.append("lock_released", host=host, orderly=orderly)


def runner_gone(journal: Journal, pid: int) -> None:
    """Record that the process which started this kernel has exited, so that nothing more is sent."""
    journal.append("runner_gone", runner=pid)


def batch_started(journal: Journal, number: int, of: int, hosts: Sequence[str], max_failed: int) -> None:
    """Record the start of a batch of hosts: its number, how many there are, and how many of its hosts may fail."""
    journal.append_nowait("batch_started", batch=number, of=of, hosts=list(hosts), max_failed=max_failed)


def pause_started(journal: Journal, number: int, seconds: float) -> None:
    """Record the start of the pause before a batch."""
    journal.append("pause_started", batch=number, seconds=seconds)


def pause_ended(journal: Journal, number: int, *, complete: bool) -> None:
    """Record the end of the pause before a batch; `complete` unless it was cut short."""
    journal.append_nowait("pause_ended", batch=number, complete=complete)


def confirmation_asked(journal: Journal, number: int, question: str) -> None:
    """Record the question that a person is asked before a batch."""
    journal.append("confirmation_asked", batch=number, question=question)


def confirmation_answered(journal: Journal, number: int, answer: str, *, confirmed: bool) -> None:
    """Record the answer of the person who was asked before a batch, and whether the run continues."""
    journal.append_nowait("confirmation_answered", batch=number, answer=answer, confirmed=confirmed)


def transaction_started(
    journal: Journal, name: str, hosts: Sequence[str], *, all_or_nothing: bool, strict: bool
) -> None:
    """Record the start of a transaction: the steps up to its end belong to it."""
    journal.append_nowait(
        "transaction_started", name=name, hosts=list(hosts), all_or_nothing=all_or_nothing, strict=strict
    )


def transaction_ended(
    journal: Journal, name: str, *, completed: Sequence[str], rolled_back: Sequence[str]
) -> None:
    """Record the end of a transaction: the hosts that keep its changes, and those on which they were rolled back."""
    journal.append_nowait(
        "transaction_ended", name=name, completed=list(completed), rolled_back=list(rolled_back)
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


def secret_exposed(journal: Journal, exposure: Exposure) -> None:
    """Record where a secret value was recorded in plain text before the run knew that it is one; never the value."""
    journal.append("secret_exposed", **exposure.as_fields())


def notebook_copied(journal: Journal, fields: dict[str, Any]) -> None:
    """Record which notebook a run made by hand had, and what its copy lacks."""
    journal.append("notebook_copied", **fields)


def run_ended(journal: Journal, record: RunRecord) -> None:
    """Record the end of a run; without this line a run never counts as successful."""
    journal.append(
        "run_ended",
        status=record.status,
        message=record.message,
        ended=record.ended.isoformat() if record.ended else None,
        steps=len(record.steps),
    )
