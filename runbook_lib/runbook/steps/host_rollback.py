"""Rollback on one host: of one step, and of a transaction, its steps in reverse, then checked."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError, Interrupted, OperationError, RunbookError, UnreachableError
from runbook_lib.model.plans import Change, Check
from runbook_lib.model.records import HostRecord
from runbook_lib.model.status import Status
from runbook_lib.runbook.steps.recorder import now

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runbook_lib.model.commands import Command
    from runbook_lib.runbook.steps.host_session import HostSession
    from runbook_lib.runbook.steps.transaction import TransactionStep

__all__ = ["roll_back_host", "rollback_failed", "send_rollback"]

_log = logging.getLogger(__name__)
_AS_BEFORE = "as before the step"


def roll_back_host(
    session: HostSession, steps: Sequence[TransactionStep], name: str, cause: str, status: Status
) -> HostRecord:
    """Undo the steps of a transaction on one host and return the record of that.

    All rollback commands are sent, also after one of them has failed; only a host that cannot be reached gets no
    further command. A lost connection is established again, and an interrupt leaves time for the rollback.

    Args:
        session: The host's session, without a deadline.
        steps: What has changed the host, in order.
        name: The transaction's name.
        cause: Why it is rolled back.
        status: The status that the cause gives the host; a rollback that fails makes it `failed`.

    Raises:
        EvidenceError: The evidence cannot be written, so the run must end.
    """
    started = now()
    undone = [step for step in steps if step.rollback or step.plan.after_rollback]
    problems = _send(session, undone)
    if not problems:
        session.checks = [
            _check_restored(session, step)
            for step in reversed(undone)
            # A step that restored nothing itself, as the reload of a service, has nothing to compare.
            if step.complete and step.rollback and step.operation.verifiable
        ]
    differing = [check.name for check in session.checks if not check.holds]
    kept = [f"{step.label} ({step.why_not})" for step in steps if step.why_not]
    parts = [cause]
    if problems:
        parts.append(rollback_failed(problems))
    elif differing:
        parts.append(f"NOT ROLLED BACK: check the host now: {'; '.join(differing)}")
    elif undone:
        parts.append(f"rolled back: {', '.join(step.label for step in reversed(undone))}")
    elif not steps:
        parts.append("nothing to roll back")
    if kept:
        parts.append(f"not rolled back: {', '.join(kept)}")
    host = session.connection.host
    record = HostRecord(
        host=host.name,
        address=host.target,
        kind=host.kind,
        operation=f"transaction.RollBack(name={name!r}, steps={[step.number for step in undone]})",
        status=Status.FAILED if problems or differing or kept else status,
        message="; ".join(parts),
        undoes=[step.number for step in undone],
        attempt=session.attempt,
        started=started,
        ended=now(),
        changes=[
            Change(change.what, change.after, change.before)
            for step in reversed(undone)
            if step.complete
            for change in reversed(step.plan.changes)
        ],
        checks=session.checks,
        commands=session.commands,
    )
    return session.recorder.masked(record)


def _send(session: HostSession, steps: Sequence[TransactionStep]) -> list[str]:
    """Send the rollback commands of all steps; return what went wrong."""
    if not steps:
        return []
    session.leave_in_order()
    try:
        session.open()
    except (Interrupted, UnreachableError) as problem:
        return [problem.message]
    session.recorder.note_connection(session.connection, session.step)
    return send_rollback(
        session,
        [
            *((step.label, command) for step in reversed(steps) for command in step.rollback),
            # What makes services take up the restored state, once all of it is restored.
            *((step.label, command) for step in steps for command in step.plan.after_rollback),
        ],
    )


def send_rollback(session: HostSession, commands: Iterable[tuple[str, Command]]) -> list[str]:
    """Send rollback commands, also after one of them has failed; return what went wrong.

    A lost connection is established again. A host that cannot be reached gets no further command.

    Args:
        session: The host's session, with time left for the rollback; see `HostSession.leave_in_order`.
        commands: Each with the step that it undoes, for messages; empty: the session's own.
    """
    problems = []
    for label, command in commands:
        try:
            session.send(command, "rollback")
        except OperationError as problem:
            problems.append(f"{label}: {problem.message}" if label else problem.message)
        except (Interrupted, UnreachableError) as problem:
            problems.append(problem.message)
            break
    return problems


def rollback_failed(problems: Iterable[str]) -> str:
    """Return what the message of a step adds whose rollback failed."""
    return f"ROLLBACK FAILED: check the host now: {'; '.join(problems)}"


def _check_restored(session: HostSession, step: TransactionStep) -> Check:
    """Check that a step, if it were planned again, would do the same as before: then its facts are as before."""
    session.operation = step.operation
    until = time.monotonic() + step.operation.settle
    while True:
        try:
            plan = step.operation.plan(session.read_facts())
            same = (plan.commands, plan.changes) == (step.plan.commands, step.plan.changes)
            observed = _AS_BEFORE if same else "different from before the step"
        except EvidenceError:
            raise
        except RunbookError as problem:
            same, observed = False, f"not known: {problem.message}"
        except Exception as problem:  # noqa: BLE001 - the rollback ends here, and its record must say how
            _log.exception("rollback of step %s", step.number)
            same, observed = False, f"not known: {type(problem).__name__}: {problem}"
        if same or time.monotonic() >= until:
            return Check(step.label, _AS_BEFORE, observed, same, "transaction.restored")
        session.attempt += 1
        session.pause(step.operation.poll_interval)
