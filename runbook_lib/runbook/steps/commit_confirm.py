"""Apply a change that may lock us out under commit-confirm: unless it is confirmed, the host reverts it.

The order is: arm the revert timer on the host, change, reconnect, check over the new connection, confirm.
If any of this fails the host reverts: by command if it still answers, otherwise by its timer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import (
    AuthenticationError,
    DeadlinePassed,
    EvidenceError,
    Interrupted,
    NotYet,
    OperationError,
    RunbookError,
    UnreachableError,
)
from runbook_lib.grace_periods import ROLLBACK
from runbook_lib.model.plans import Check
from runbook_lib.model.status import Mode, Status
from runbook_lib.runbook.steps.run_status import describe_unmet

if TYPE_CHECKING:
    from runbook_lib.facts.base import Facts
    from runbook_lib.model.kinds import CommandKind
    from runbook_lib.model.plans import NetworkGuard, Plan
    from runbook_lib.runbook.steps.host_session import HostSession

__all__ = ["apply_with_confirmation", "plan_after_revert"]

_AFTER_REVERT = 60.0  # seconds that a host may take to answer again after its timer has fired
_BETWEEN_TRIES = 1.0  # seconds between two attempts to connect
# A host may lock out an address after a few refused logins, and for longer than any timer here.
_AFTER_REFUSAL = 5.0  # seconds between two attempts to log in
_MOST_REFUSALS = 2  # refused logins before a change counts as failed
_NOT_ROLLED_BACK = "NOT ROLLED BACK: check the host now"
_UNCHECKED = f"{_NOT_ROLLED_BACK}, the former state could not be confirmed"


def plan_after_revert(session: HostSession) -> tuple[Facts, Plan]:
    """Return a host's facts and the plan made from them, once no other run's unconfirmed change is pending there.

    A run that died between its change and the confirmation leaves one; the host reverts it by its timer, and may be
    unreachable meanwhile. Only mode `apply` waits.

    Raises:
        PlanRefused: The operation would do harm.
        UnreachableError: The host cannot be reached.
    """
    until = 0.0
    while True:
        try:
            facts = session.read_facts()
            return facts, session.operation.plan(facts)
        except NotYet as pending:
            until = until or time.monotonic() + pending.within + _AFTER_REVERT
            if session.mode is not Mode.APPLY or time.monotonic() > until:
                raise
        except UnreachableError:
            if time.monotonic() > until:
                raise
        session.attempt += 1
        session.pause(_BETWEEN_TRIES)
        _reconnect(session, until)


def apply_with_confirmation(
    session: HostSession, plan: Plan, guard: NetworkGuard, before: Facts
) -> tuple[Status, str]:
    """Change, and confirm over a new connection; otherwise wait until the host has reverted the change.

    Args:
        session: The host's session.
        plan: The commands.
        guard: How to arm, confirm and revert.
        before: The facts before the change, to compare with the facts after a revert.

    Returns:
        `changed`, or `failed` with what went wrong and whether the change was rolled back.

    Raises:
        Interrupted: Nothing was confirmed: the host reverts by itself.
        UnreachableError: The host did not answer even after its timer must have fired.
        OperationError: The facts could not be read after the revert: whether it was complete is not known.
    """
    _arm(session, guard)
    deadline = time.monotonic() + guard.timeout
    try:
        for command in plan.commands:
            session.send(command, "change")
        session.checks = []  # those from before the change explain nothing
        if guard.identity:
            session.connection.offer_identity(guard.identity.account, guard.identity.file)
        # Leave time for the confirmation to reach the host before its timer fires.
        _reconnect(session, deadline - guard.timeout / 4, refusals=_MOST_REFUSALS)
        if time.monotonic() > deadline:
            # What could be read now is the former state, restored by the host's timer: it explains nothing.
            reason = (
                f"the host did not answer over a new connection within {guard.timeout:g} s after the change"
            )
        elif session.read_until_settled():
            session.stop_if_interrupted("stopped before the confirmation")
            session.leave_in_order()
            _confirm(session, guard, deadline)
            return Status.CHANGED, _clean_up(session, guard, "guard")
        else:
            reason = describe_unmet(session.checks)
    except Interrupted as problem:
        _add_outcome(problem, guard)
        raise
    except EvidenceError:
        raise
    except Exception as problem:  # noqa: BLE001 - the change is reverted, and the record says why
        # A host whose timer fires while checks are still being repeated cuts the connection: what failed is known.
        reason = "; ".join(filter(None, (describe_unmet(session.checks), session.explain(problem))))
    return _revert(session, guard, deadline, before, reason)


def _revert(
    session: HostSession, guard: NetworkGuard, deadline: float, before: Facts, reason: str
) -> tuple[Status, str]:
    """Wait until the host has reverted the change; every error says why the change was not confirmed."""
    try:
        return _wait_for_revert(session, guard, deadline, before, reason)
    except EvidenceError:
        raise
    except Interrupted as problem:
        problem.message += f"; {reason}"
        _add_outcome(problem, guard)
        raise
    except Exception as problem:
        message = f"not confirmed: {reason}; {_UNCHECKED}: {session.explain(problem)}"
        if not isinstance(problem, RunbookError):
            raise OperationError(message) from problem
        problem.message = message
        raise


def _arm(session: HostSession, guard: NetworkGuard) -> None:
    """Send the commands that arm the timer; if a later one fails, remove what the earlier ones have left."""
    for command in guard.preflight:
        session.send(command, "guard")
    begun = False
    try:
        for command in guard.arm:
            session.send(command, "guard")
            begun = True
    except (OperationError, UnreachableError, Interrupted) as problem:
        if begun:
            session.leave_in_order()
            left = _clean_up(session, guard, "rollback")  # past a lock that may be lost
            problem.message += f"; nothing was changed{f', but {left}' if left else ''}"
        raise


def _confirm(session: HostSession, guard: NetworkGuard, deadline: float) -> None:
    """Send the commands that confirm, again over another connection if one is lost before the answer arrives."""
    while True:
        try:
            for command in guard.confirm:
                session.send(command, "guard")
        except UnreachableError:
            if time.monotonic() > deadline:
                raise
            _reconnect(session, deadline)
        else:
            return


def _clean_up(session: HostSession, guard: NetworkGuard, kind: CommandKind) -> str:
    """Remove what arming has left; return what the message adds. What is left does nothing any more."""
    try:
        session.open()
        for command in guard.clean_up:
            session.send(command, kind)
    except (OperationError, UnreachableError, Interrupted) as problem:
        return f"the files of the rollback are left on the host, unused: {problem.message}"
    return ""


def _add_outcome(problem: Interrupted, guard: NetworkGuard) -> None:
    problem.message += f"; the change was not confirmed: the host rolls it back within {guard.timeout:g} s"


def _wait_for_revert(
    session: HostSession, guard: NetworkGuard, deadline: float, before: Facts, reason: str
) -> tuple[Status, str]:
    failed = session.checks
    session.extend_deadline(max(0.0, deadline - time.monotonic()) + 2 * _AFTER_REVERT + ROLLBACK)
    try:
        session.open()
        for command in guard.revert:
            session.send(command, "rollback")
    except (OperationError, UnreachableError):
        # Unreachable, or the command cut off its own connection: the host's timer reverts.
        session.pause(max(0.0, deadline - time.monotonic()) + 2 * _BETWEEN_TRIES)
    was = before.plain()
    after = _facts_after_revert(session, was, max(deadline, time.monotonic()) + _AFTER_REVERT)
    differing = sorted(label for label in was if after.get(label) != was[label])
    restored = Check(
        "the old state is restored",
        expected="all facts as before",
        observed=f"different: {', '.join(differing)}" if differing else "all facts as before",
        holds=not differing,
        id="commit_confirm.reverted",
    )
    session.checks = [*failed, restored]
    outcome = "the change was rolled back" if restored.holds else _NOT_ROLLED_BACK
    return Status.FAILED, f"not confirmed: {reason}; {outcome}"


def _facts_after_revert(session: HostSession, was: dict[str, Any], until: float) -> dict[str, Any]:
    """Read the facts until they are as before or time is over; return the last ones.

    A service that is restarted by the revert may cut the connection once more, and facts may not be readable yet.

    Args:
        session: The host's session.
        was: The facts before the change.
        until: Monotonic time until which the host may take to answer; its facts may take as long again.

    Raises:
        OperationError: The facts cannot be read.
        UnreachableError: The host cannot be reached.
    """
    _reconnect(session, until)
    limit = time.monotonic() + _AFTER_REVERT
    while True:
        try:
            after = session.read_facts().plain()
            if after == was or time.monotonic() > limit:
                return after
            session.pause(_BETWEEN_TRIES)
        except DeadlinePassed:
            raise
        except (OperationError, UnreachableError):
            if time.monotonic() > limit:
                raise
            session.pause(_BETWEEN_TRIES)
            _reconnect(session, limit)


def _reconnect(session: HostSession, until: float, refusals: int | None = None) -> None:
    """Close the connection and open a new one, retrying until the monotonic time `until`.

    Args:
        session: The host's session.
        until: When to give up.
        refusals: How often the login may be refused; None: any number of times.
    """
    session.connection.close()
    refused = 0
    while True:
        session.stop_if_interrupted("stopped while waiting for the host to answer")
        try:
            session.open()
        except AuthenticationError:
            refused += 1
            if refused == refusals or time.monotonic() > until:
                raise
            session.pause(_AFTER_REFUSAL)
        except UnreachableError:
            if time.monotonic() > until:
                raise
            session.pause(_BETWEEN_TRIES)
        else:
            return
