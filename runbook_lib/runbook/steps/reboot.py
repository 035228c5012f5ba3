"""Reboot a host and wait until it is back: a new boot id, SSH with the known host key, services settled.

The order is: arm (for example a one-shot boot entry), reboot, wait until the host is down and up again, check over
the new connection, confirm. A host that still answers with the old boot id has not rebooted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runbook_lib.errors import (
    EvidenceError,
    HostKeyError,
    Interrupted,
    OperationError,
    RunbookError,
    UnreachableError,
)
from runbook_lib.facts.host import BootId, SystemState
from runbook_lib.model.plans import Change, Check
from runbook_lib.model.status import Status
from runbook_lib.runbook.steps.host_rollback import rollback_failed, send_rollback
from runbook_lib.runbook.steps.run_status import describe_unmet
from runbook_lib.runbook.steps.serial_console import Console

if TYPE_CHECKING:
    from runbook_lib.facts.base import Facts
    from runbook_lib.model.plans import Plan, Reboot
    from runbook_lib.runbook.steps.host_session import HostSession

__all__ = ["reboot_and_confirm"]

_BETWEEN_TRIES = 1.0  # seconds between two attempts to connect
_LAST_LINES = 12  # of the console log, in the message of a failed step


def reboot_and_confirm(session: HostSession, plan: Plan, reboot: Reboot, before: Facts) -> tuple[Status, str]:
    """Arm, reboot, wait, check, confirm.

    Args:
        session: The host's session; its operation's facts include a `BootId` and a `SystemState`.
        plan: The commands that reboot the host.
        reboot: The commands before and after the reboot, and its deadline.
        before: The facts before the reboot: boot id and failed units to compare with.

    Returns:
        `changed`, or `failed` with what went wrong and how to recover the host.

    Raises:
        Interrupted: Nothing was confirmed.
        UnreachableError: The host did not come back in time, or with another host key.
    """
    console = Console(session.connection.host.console)
    console.mark()
    try:
        reason = _reboot(session, plan, reboot, before)
        if not reason:
            return Status.CHANGED, ""
    except Interrupted as problem:
        problem.message += f"; nothing was confirmed: {reboot.recovery}"
        raise
    except EvidenceError:
        raise
    except UnreachableError as problem:
        problem.message += _last_lines(console)
        problem.hint = f"{problem.hint}; {reboot.recovery}" if problem.hint else reboot.recovery
        raise
    except Exception as problem:  # noqa: BLE001 - the record says why, and how to recover the host
        reason = str(problem) if isinstance(problem, RunbookError) else session.explain(problem)
    finally:
        if console.tail():
            session.changes.append(Change("console output during the reboot", None, console.tail()))
    left = _abandon(session, reboot)
    # The planned changes did not happen.
    session.changes = [change for change in session.changes if change not in plan.changes]
    return Status.FAILED, f"not confirmed: {reason}{left}; {reboot.recovery}{_last_lines(console)}"


def _reboot(session: HostSession, plan: Plan, reboot: Reboot, before: Facts) -> str:
    """Arm, reboot, check and confirm; describe the checks that do not hold."""
    failed_before = (
        before[SystemState()].failed if reboot.failed_before_reboot is None else reboot.failed_before_reboot
    )
    if reboot.failed_before_reboot is None:
        for command in reboot.arm:
            session.send(command, "guard")
        for command in plan.commands:
            session.send(command, "change")
        _wait_for_return(session, reboot, before[BootId()])
    if _verify(session, reboot, failed_before):
        session.leave_in_order()
        for command in reboot.confirm:
            session.send(command, "guard")
        _verify(session, reboot, failed_before, confirmed=True)
    return describe_unmet(session.checks)


def _wait_for_return(session: HostSession, reboot: Reboot, boot_id: str) -> None:
    """Wait until the host answers with a new boot id; record both ids and the downtime."""
    sent = time.monotonic()
    gone: float | None = None
    while True:
        session.stop_if_interrupted("stopped while waiting for the host to come back")
        trying = time.monotonic()
        problem: UnreachableError | OperationError | None = None
        now_id = boot_id
        try:
            session.connection.close()
            session.open()
            now_id = session.read_fact(BootId())
        except HostKeyError as changed:
            changed.message = f"after the reboot: {changed.message}"
            raise
        except (UnreachableError, OperationError) as away:
            gone = trying if gone is None else gone
            problem = away
        if now_id != boot_id:
            downtime = time.monotonic() - (gone if gone is not None else sent)
            session.changes += [
                Change("boot id", boot_id, now_id),
                Change(
                    "downtime",
                    None,
                    f"{downtime:.1f} s unreachable, {time.monotonic() - sent:.1f} s in total",
                ),
            ]
            return
        if time.monotonic() - sent > reboot.deadline:
            if problem is None:
                raise OperationError(
                    f"the host did not reboot within {reboot.deadline:g} s: it still answers with the old boot id",
                    where=session.connection.host.name,
                    hint="find out what blocks the shutdown: `systemctl list-jobs`, `systemd-inhibit --list`",
                ) from None
            raise UnreachableError(
                f"the host did not come back within {reboot.deadline:g} s: {problem.message}",
                where=session.connection.host.name,
                hint="check the host's console, then reset the host",
            ) from problem
        session.pause(_BETWEEN_TRIES)


def _verify(
    session: HostSession, reboot: Reboot, failed_before: tuple[str, ...], *, confirmed: bool = False
) -> bool:
    """Wait until startup is finished, then check everything but what holds only after the confirmation.

    The other checks are not waited for: the running kernel, for example, cannot change any more.
    """
    deadline = time.monotonic() + session.operation.settle
    facts = session.read_facts()
    while not facts[SystemState()].settled and time.monotonic() < deadline:
        session.stop_if_interrupted("stopped while waiting for the host's services to settle")
        session.pause(_BETWEEN_TRIES)
        facts = session.read_facts()
    skipped = () if confirmed else reboot.only_after_confirm
    session.checks = [check for check in session.operation.verify(facts) if check.id not in skipped]
    new = sorted(set(facts[SystemState()].failed) - set(failed_before))
    session.checks.append(
        Check(
            "newly failed units",
            "none",
            ", ".join(new) or "none",
            not new,
            "reboot.failed_units",
        )
    )
    return all(check.holds for check in session.checks)


def _abandon(session: HostSession, reboot: Reboot) -> str:
    """Undo what was armed; return what the message adds: empty, or what was not undone."""
    session.leave_in_order()
    problems = send_rollback(session, (("", command) for command in reboot.abandon))
    return f"; {rollback_failed(problems)}" if problems else ""


def _last_lines(console: Console) -> str:
    lines = console.tail(_LAST_LINES)
    return f"\nlast lines of the console:\n{lines}" if lines else ""
