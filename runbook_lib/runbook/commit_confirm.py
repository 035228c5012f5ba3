"""Apply a change that may cut the network: the host puts the old state back unless it is confirmed.

The order is: arm the timer on the host, change, connect anew, check over the new connection, confirm.
Where anything on the way fails the host reverts, by command where it still answers, else by its timer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runbook_lib.errors import Interrupted, NotYet, OperationError, UnreachableError
from runbook_lib.model.plans import Check
from runbook_lib.model.status import Mode, Status
from runbook_lib.runbook.run_status import broken

if TYPE_CHECKING:
    from runbook_lib.facts.base import Facts
    from runbook_lib.model.plans import NetworkGuard, Plan
    from runbook_lib.runbook.host_session import HostSession

__all__ = ["carry_out_guarded", "plan_once_reverted"]

_AFTER_REVERT = 60.0  # seconds that a host may need to answer again once its timer has fired
_BETWEEN_TRIES = 1.0  # seconds between two tries to connect


def plan_once_reverted(session: HostSession) -> tuple[Facts, Plan]:
    """Return a host's facts and the plan made from them, once no unconfirmed change of another run is left there.

    A run that died between its change and the confirmation leaves one; the host takes it back by its timer, and may
    not be reachable meanwhile. Only mode `apply` waits.

    Raises:
        PlanRefused: Going on would do harm.
        UnreachableError: The host is gone.
    """
    until = 0.0
    while True:
        try:
            facts = session.read_facts()
            return facts, session.operation.plan(facts)
        except NotYet as waits:
            until = until or time.monotonic() + waits.within + _AFTER_REVERT
            if session.mode is not Mode.APPLY or time.monotonic() > until:
                raise
        except UnreachableError:
            if time.monotonic() > until:
                raise
        session.attempt += 1
        time.sleep(_BETWEEN_TRIES)
        _connect_anew(session, until)


def carry_out_guarded(
    session: HostSession, plan: Plan, guard: NetworkGuard, before: Facts
) -> tuple[Status, str]:
    """Change, and confirm over a new connection; else see the old state back.

    Args:
        session: The host's session.
        plan: The commands.
        guard: How to arm, confirm and revert.
        before: The facts from before, to compare with after a revert.

    Returns:
        `changed`, or `failed` with what went wrong and that the old state is back.

    Raises:
        Interrupted: Nothing was confirmed: the host reverts by itself.
        UnreachableError: The host did not come back even after its timer must have fired.
    """
    for command in guard.arm:
        session.send(command, "guard")
    deadline = time.monotonic() + guard.timeout
    try:
        for command in plan.commands:
            session.send(command, "change")
        # Leave the host time to hear the confirmation before its timer fires.
        _connect_anew(session, deadline - guard.timeout / 4)
        if session.read_until_settled():
            session.lift_deadline()
            for command in guard.confirm:
                session.send(command, "guard")
            return Status.CHANGED, ""
        wrong = broken(session.checks)
    except Interrupted as problem:
        problem.message += (
            f"; nothing was confirmed: the host puts its old state back within {guard.timeout:g} s"
        )
        raise
    except (OperationError, UnreachableError) as problem:
        wrong = problem.message
    return _see_it_reverted(session, guard, deadline, before, wrong)


def _see_it_reverted(
    session: HostSession, guard: NetworkGuard, deadline: float, before: Facts, wrong: str
) -> tuple[Status, str]:
    failed = session.checks
    session.lift_deadline()
    try:
        session.connection.open()
        for command in guard.revert:
            session.send(command, "rollback")
    except (OperationError, UnreachableError):
        # Not reachable, or the command was cut off by its own effect: the host's timer does it.
        time.sleep(max(0.0, deadline - time.monotonic()))
    _connect_anew(session, max(deadline, time.monotonic()) + _AFTER_REVERT)
    was = before.plain()
    after = session.read_facts().plain()
    limit = time.monotonic() + _AFTER_REVERT
    while after != was and time.monotonic() < limit:
        time.sleep(_BETWEEN_TRIES)
        after = session.read_facts().plain()
    differing = sorted(label for label in was if after.get(label) != was[label])
    back = Check(
        "the old state is back",
        expected="all facts as before",
        observed=f"differing: {', '.join(differing)}" if differing else "all facts as before",
        holds=not differing,
        id="commit_confirm.reverted",
    )
    session.checks = [*failed, back]
    outcome = "the host is back as it was" if back.holds else "THE HOST IS NOT AS IT WAS: look at it now"
    return Status.FAILED, f"not confirmed: {wrong}; {outcome}"


def _connect_anew(session: HostSession, until: float) -> None:
    """Drop the connection and make a new one, trying until the monotonic time `until`."""
    session.connection.close()
    while True:
        session.stop_if_interrupted("stopped while waiting for the host to answer")
        try:
            session.connection.open()
        except UnreachableError:
            if time.monotonic() > until:
                raise
            time.sleep(_BETWEEN_TRIES)
        else:
            return
