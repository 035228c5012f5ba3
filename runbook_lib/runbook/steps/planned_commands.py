"""What the record of a step says in mode `plan`: the commands that would be sent, and how they would be rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.masking import excerpt
from runbook_lib.model.records import CommandRecord
from runbook_lib.runbook.steps.recorder import now

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runbook_lib.model.commands import Command
    from runbook_lib.model.kinds import CommandKind
    from runbook_lib.model.plans import Plan
    from runbook_lib.runbook.steps.host_session import HostSession
    from runbook_lib.runbook.steps.transaction import Transaction

__all__ = ["record_planned"]

_ROLLBACK_LENGTH = 200  # characters of each command


def record_planned(session: HostSession, plan: Plan, transaction: Transaction | None) -> str:
    """Add the commands of a plan to the record, in the order in which they would be sent.

    Args:
        session: The host's session; nothing is sent.
        plan: Has commands or a reboot.
        transaction: The transaction that the step belongs to.

    Returns:
        How a transaction would roll the change back; empty outside of a transaction.
    """
    around = plan.guard or plan.reboot
    _record(session, plan.guard.preflight if plan.guard else (), "guard")
    _record(session, around.arm if around else (), "guard")
    _record(session, plan.commands, session.operation.command_kind)
    _record(session, around.confirm if around else (), "guard")
    _record(session, plan.guard.clean_up if plan.guard else (), "guard")
    if transaction is None:
        return ""
    return transaction.describe_rollback(
        plan,
        lambda command: session.recorder.mask(excerpt(session.connection.render(command), _ROLLBACK_LENGTH)),
    )


def _record(session: HostSession, commands: Iterable[Command], kind: CommandKind) -> None:
    for command in commands:
        record = CommandRecord(
            number=0,
            kind=kind,
            text=session.recorder.mask(session.connection.render(command)),
            stdin=session.recorder.recorded_stdin(command),
            purpose=session.recorder.mask(command.purpose),
            started=now(),
            problem="planned, not sent",
        )
        session.commands.append(record)
