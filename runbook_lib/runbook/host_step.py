"""One step on one host: facts, plan, commands, facts again, checks, record."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from runbook_lib.errors import (
    EvidenceError,
    Interrupted,
    NotApplicable,
    OperationError,
    PlanRefused,
    RunbookError,
    UnreachableError,
)
from runbook_lib.model.records import CommandRecord, HostRecord
from runbook_lib.model.status import Mode, Status
from runbook_lib.operations.base import Probe
from runbook_lib.runbook.commit_confirm import carry_out_guarded, plan_once_reverted
from runbook_lib.runbook.host_session import HostSession, all_hold
from runbook_lib.runbook.reboot import carry_out_reboot
from runbook_lib.runbook.recorder import now
from runbook_lib.runbook.resume import Before
from runbook_lib.runbook.run_status import broken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runbook_lib.connections.base import Connection
    from runbook_lib.facts.base import Facts
    from runbook_lib.model.commands import Command
    from runbook_lib.model.plans import Plan
    from runbook_lib.model.records import CommandKind
    from runbook_lib.operations.base import Operation
    from runbook_lib.runbook.deadline import Deadline
    from runbook_lib.runbook.host_lock import HostLock
    from runbook_lib.runbook.recorder import Recorder

__all__ = ["HostStep"]

_log = logging.getLogger(__name__)


class HostStep:
    """Carry one operation out on one host.

    Args:
        operation: What shall hold.
        connection: The host.
        recorder: Sends and records.
        step: The step's number.
        mode: What may be done.
        predicting: In mode `plan`: an earlier step plans changes, so what is missing may come.
        deadline: When it must be over; putting back what was there before may take longer.
        lock: Held before anything is changed.
        before: What the run that this one goes on with tells of the step on the host.
    """

    def __init__(  # noqa: PLR0913 - what a step is made of
        self,
        operation: Operation,
        connection: Connection,
        recorder: Recorder,
        *,
        step: int,
        mode: Mode,
        predicting: bool = False,
        deadline: Deadline | None = None,
        lock: HostLock | None = None,
        before: Before | None = None,
    ) -> None:
        self.session = HostSession(
            operation,
            connection,
            recorder,
            step=step,
            mode=mode,
            predicting=predicting,
            deadline=deadline,
            lock=lock,
        )
        self.before = before or Before()
        self.anew = ""

    def run(self) -> HostRecord:
        """Return the host's record; whatever goes wrong on the host is in it.

        Raises:
            EvidenceError: The evidence cannot be written: the run must end.
        """
        started = now()
        message = ""
        try:
            status, message = self._carry_out()
        except EvidenceError:
            raise
        except UnreachableError as problem:
            status, message = Status.UNREACHABLE, str(problem)
        except Interrupted as problem:
            status, message = Status.INTERRUPTED, str(problem)
        except NotApplicable as problem:
            status, message = Status.SKIPPED, str(problem)
        except RunbookError as problem:
            status, message = Status.FAILED, str(problem)
        except Exception as problem:  # noqa: BLE001 - a step ends here, and its record must say how
            _log.exception("step %s on %s", self.session.step, self.session.connection.host.name)
            status, message = Status.FAILED, f"defect in the step itself: {type(problem).__name__}: {problem}"
        host = self.session.connection.host
        record = HostRecord(
            host=host.name,
            address=host.target,
            kind=host.kind,
            operation=self.session.operation.describe(),
            status=status,
            message="; ".join(filter(None, (self.anew, message))),
            proven=self.before.run,
            attempt=self.session.attempt,
            started=started,
            ended=now(),
            changes=[*self.session.taken_over, *self.session.changes],
            checks=self.session.checks,
            facts=self.session.observed.plain(),
            commands=self.session.commands,
        )
        return self.session.recorder.masked(record)

    def _carry_out(self) -> tuple[Status, str]:
        self.session.stop_if_interrupted()
        self.session.connection.open()
        if self.session.recorder.meet(self.session.connection, self.session.step):
            self.anew = "connected anew: the connection of the steps before was gone"
        if self.session.mode is Mode.VALIDATE:
            return self._validate()
        if self.session.mode is Mode.APPLY and not isinstance(self.session.operation, Probe):
            if self.before.run and not self.session.operation.verifiable:
                return (
                    Status.SKIPPED,
                    f"done already in {self.before.run}, and not known to be repeatable: not run again",
                )
            self.session.hold_lock()  # before the plan is made: no other run shall change what it is made from
            status, message = self._plan_and_go_on()
            return status, "; ".join(filter(None, (message, self._in_spite_of_before(status))))
        return self._plan_and_go_on()

    def _plan_and_go_on(self) -> tuple[Status, str]:
        try:
            facts, plan = plan_once_reverted(self.session)
        except NotApplicable:
            raise
        except PlanRefused as refused:
            if self.session.mode is Mode.PLAN and self.session.predicting:
                # What stands in the way now may be gone once the steps before have been applied.
                return (
                    Status.SKIPPED,
                    f"cannot be planned before the steps above are applied: {refused.message}",
                )
            raise
        self.session.changes = list(plan.changes)
        return self._predict(plan, facts) if self.session.mode is Mode.PLAN else self._apply(plan, facts)

    def _in_spite_of_before(self, status: Status) -> str:
        """Return what a reader of both runs must be told."""
        if status is Status.CHANGED and self.before.run:
            return f"it was done in {self.before.run} already, and was no longer so"
        if self.before.begun and not self.session.operation.verifiable:
            return f"run again: {self.before.begun} began it and does not tell its end"
        return ""

    def _validate(self) -> tuple[Status, str]:
        if not self.session.operation.verifiable:
            return (
                Status.SKIPPED,
                "nothing is known of it that could be validated, and validation changes nothing",
            )
        # Validation waits for nothing: what does not hold now does not hold.
        self.session.checks = self.session.operation.verify(self.session.read_facts())
        return self._verdict(Status.OK)

    def _apply(self, plan: Plan, facts: Facts) -> tuple[Status, str]:
        if not plan.commands and not plan.reboot:
            self.session.checks = self.session.operation.verify(facts)
            if not all_hold(self.session.checks) and self.session.operation.settle:
                self.session.read_until_settled()
            return self._verdict(Status.OK)
        if plan.guard:
            return carry_out_guarded(self.session, plan, plan.guard, facts)
        if plan.reboot:
            return carry_out_reboot(self.session, plan, plan.reboot, facts)
        self._change(plan)
        self.session.read_until_settled()
        return self._verdict(Status.CHANGED)

    def _change(self, plan: Plan) -> None:
        try:
            for command in plan.commands:
                self.session.send(command, self.session.operation.sends)
        except OperationError as problem:
            if plan.rollback:
                problem.message += f"; {self._roll_back(plan.rollback)}"
            raise

    def _roll_back(self, commands: Iterable[Command]) -> str:
        """Put back what was there before, as far as it goes; return how far that was."""
        self.session.lift_deadline()
        failed = []
        for command in commands:
            try:
                self.session.send(command, "rollback")
            except OperationError as problem:
                failed.append(problem.message)
        if failed:
            return f"WHAT WAS THERE BEFORE IS NOT BACK, look at it now: {'; '.join(failed)}"
        return "what was there before has been put back"

    def _predict(self, plan: Plan, facts: Facts) -> tuple[Status, str]:
        if plan.commands or plan.reboot:
            around = plan.guard or plan.reboot
            self._show(around.arm if around else (), "guard")
            self._show(plan.commands, self.session.operation.sends)
            self._show(around.confirm if around else (), "guard")
            return Status.PLANNED, ""
        self.session.checks = self.session.operation.verify(facts)
        if (
            not all_hold(self.session.checks)
            and self.session.predicting
            and isinstance(self.session.operation, Probe)
        ):
            return Status.SKIPPED, "cannot be known before the steps planned above are applied"
        return self._verdict(Status.OK)

    def _show(self, commands: Iterable[Command], kind: CommandKind) -> None:
        for command in commands:
            record = CommandRecord(
                number=0,
                kind=kind,
                text=self.session.recorder.mask(self.session.connection.render(command)),
                stdin=self.session.recorder.mask(command.stdin) if command.stdin is not None else None,
                purpose=self.session.recorder.mask(command.purpose),
                started=now(),
                problem="planned, not sent",
            )
            self.session.commands.append(record)

    def _verdict(self, success: Status) -> tuple[Status, str]:
        if not self.session.checks:
            return Status.FAILED, "the operation checked nothing"
        wrong = broken(self.session.checks)
        return (Status.FAILED, wrong) if wrong else (success, "")
