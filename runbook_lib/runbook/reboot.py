"""Reboot a host and see it come back: another boot id, SSH with the known key, services settled.

The order is: arm (a one-shot boot entry, say), reboot, wait until it is gone and back, check over the new
connection, confirm. A host that answers with the boot id from before has not rebooted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runbook_lib.errors import HostKeyError, Interrupted, OperationError, UnreachableError
from runbook_lib.facts.host import BootId, SystemState
from runbook_lib.model.plans import Change, Check
from runbook_lib.model.status import Status
from runbook_lib.runbook.run_status import broken
from runbook_lib.runbook.serial_console import Console

if TYPE_CHECKING:
    from runbook_lib.facts.base import Facts
    from runbook_lib.model.plans import Plan, Reboot
    from runbook_lib.runbook.host_session import HostSession

__all__ = ["carry_out_reboot"]

_BETWEEN_TRIES = 1.0  # seconds between two tries to connect
_LAST_LINES = 12  # of the console, in the message of a failed step


def carry_out_reboot(session: HostSession, plan: Plan, reboot: Reboot, before: Facts) -> tuple[Status, str]:
    """Arm, reboot, wait, check, confirm.

    Args:
        session: The host's session; its operation's facts hold a `BootId` and a `SystemState`.
        plan: The commands that reboot it.
        reboot: What goes around them.
        before: The facts from before: boot id and failed units to compare with.

    Returns:
        `changed`, or `failed` with what went wrong and how the host was left.

    Raises:
        Interrupted: Nothing was confirmed.
        UnreachableError: The host did not come back in time, or with another host key.
    """
    console = Console(session.connection.host.console)
    console.mark()
    try:
        wrong = _reboot(session, plan, reboot, before)
        if not wrong:
            return Status.CHANGED, ""
    except Interrupted as problem:
        problem.message += f"; nothing was confirmed: {reboot.recovery}"
        raise
    except OperationError as problem:
        wrong = str(problem)
    except UnreachableError as problem:
        problem.message += _last_lines(console)
        problem.hint = f"{problem.hint}; {reboot.recovery}" if problem.hint else reboot.recovery
        raise
    finally:
        if console.tail():
            session.changes.append(Change("the host's console meanwhile", None, console.tail()))
    _abandon(session, reboot)
    session.changes = [
        change for change in session.changes if change not in plan.changes
    ]  # they did not come
    return Status.FAILED, f"not confirmed: {wrong}; {reboot.recovery}{_last_lines(console)}"


def _reboot(session: HostSession, plan: Plan, reboot: Reboot, before: Facts) -> str:
    """Do it all and return what does not hold, in words."""
    failing = (
        before[SystemState()].failed if reboot.failed_before_reboot is None else reboot.failed_before_reboot
    )
    if reboot.failed_before_reboot is None:
        for command in reboot.arm:
            session.send(command, "guard")
        for command in plan.commands:
            session.send(command, "change")
        _wait_for_return(session, reboot, before[BootId()])
    if _holds(session, reboot, failing):
        session.lift_deadline()
        for command in reboot.confirm:
            session.send(command, "guard")
        _holds(session, reboot, failing, confirmed=True)
    return broken(session.checks)


def _wait_for_return(session: HostSession, reboot: Reboot, boot_id: str) -> None:
    """Wait until the host answers with another boot id; record both and the downtime."""
    sent = time.monotonic()
    gone: float | None = None
    while True:
        session.stop_if_interrupted("stopped while waiting for the host to come back")
        trying = time.monotonic()
        problem: UnreachableError | OperationError | None = None
        now_id = boot_id
        try:
            session.connection.close()
            session.connection.open()
            now_id = session.fact(BootId())
        except HostKeyError as changed:
            changed.message = f"after its reboot {changed.message}"
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
                    f"{downtime:.1f} s without an answer, {time.monotonic() - sent:.1f} s in all",
                ),
            ]
            return
        if time.monotonic() - sent > reboot.deadline:
            if problem is None:
                raise OperationError(
                    f"the host still answers with the boot id from before after {reboot.deadline:g} s: "
                    "it did not reboot",
                    where=session.connection.host.name,
                    hint="see what keeps it from going down: `systemctl list-jobs`, `systemd-inhibit --list`",
                ) from None
            raise UnreachableError(
                f"the host did not come back within {reboot.deadline:g} s: {problem.message}",
                where=session.connection.host.name,
                hint="look at its console, then reset it",
            ) from problem
        time.sleep(_BETWEEN_TRIES)


def _holds(
    session: HostSession, reboot: Reboot, failing: tuple[str, ...], *, confirmed: bool = False
) -> bool:
    """Wait until starting is over, then check all besides what only the confirmation makes true.

    Nothing else is waited for: which kernel runs, say, does not change any more.
    """
    deadline = time.monotonic() + session.operation.settle
    facts = session.read_facts()
    while not facts[SystemState()].settled and time.monotonic() < deadline:
        session.stop_if_interrupted("stopped while waiting for the host's services to settle")
        time.sleep(_BETWEEN_TRIES)
        facts = session.read_facts()
    later = () if confirmed else reboot.only_after_confirm
    session.checks = [check for check in session.operation.verify(facts) if check.id not in later]
    new = sorted(set(facts[SystemState()].failed) - set(failing))
    session.checks.append(
        Check(
            "units failing that did not before",
            "none",
            ", ".join(new) or "none",
            not new,
            "reboot.failed_units",
        )
    )
    return all(check.holds for check in session.checks)


def _abandon(session: HostSession, reboot: Reboot) -> None:
    session.lift_deadline()
    for command in reboot.abandon:
        session.send(command, "rollback")


def _last_lines(console: Console) -> str:
    said = console.tail(_LAST_LINES)
    return f"\nthe console's last lines:\n{said}" if said else ""
