"""One step on one host: read facts, plan, send commands, read facts again, check, record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.errors import (
    DeadlinePassed,
    EvidenceError,
    Interrupted,
    NotApplicable,
    OperationError,
    PlanRefused,
    RunbookError,
    UnreachableError,
)
from runbook_lib.model.records import HostRecord
from runbook_lib.model.status import Mode, Status
from runbook_lib.operations.base import Probe
from runbook_lib.operations.shell import Look
from runbook_lib.operations.task import SOLVED, Task, solved
from runbook_lib.runbook.steps.commit_confirm import apply_with_confirmation, plan_after_revert
from runbook_lib.runbook.steps.host_rollback import rollback_failed, send_rollback
from runbook_lib.runbook.steps.host_session import HostSession, all_hold
from runbook_lib.runbook.steps.planned_commands import record_planned
from runbook_lib.runbook.steps.reboot import reboot_and_confirm
from runbook_lib.runbook.steps.recorder import now
from runbook_lib.runbook.steps.resume import StepHistory
from runbook_lib.runbook.steps.run_status import describe_unmet

if TYPE_CHECKING:
    from runbook_lib.connections.base import Connection
    from runbook_lib.facts.base import Facts
    from runbook_lib.model.plans import Plan
    from runbook_lib.operations.base import Operation
    from runbook_lib.runbook.steps.deadline import Deadline
    from runbook_lib.runbook.steps.host_lock import HostLock
    from runbook_lib.runbook.steps.recorder import Recorder
    from runbook_lib.runbook.steps.transaction import Transaction

__all__ = ["HostStep"]

_RECONNECTED = "reconnected (the previous connection was lost)"


class HostStep:
    """Carry out one operation on one host.

    Args:
        operation: The desired state.
        connection: The connection to the host.
        recorder: Sends and records commands.
        step: The step's number.
        mode: What the run may do.
        predicting: In mode `plan`: an earlier step plans changes, which may provide what is missing now.
        deadline: When the step must be finished; a rollback may take longer.
        lock: Acquired before anything is changed.
        history: What the run that is resumed did in this step on the host.
        transaction: The transaction that the step belongs to.
    """

    def __init__(  # noqa: PLR0913 - all that a step depends on
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
        history: StepHistory | None = None,
        transaction: Transaction | None = None,
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
        self.history = history or StepHistory()
        self.transaction = transaction
        self.plan: Plan | None = None
        self.reconnected = False

    def run(self) -> HostRecord:
        """Carry out the step and return the host's record, which also reports anything that went wrong.

        Raises:
            EvidenceError: The evidence cannot be written, so the run must end.
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
        except Exception as problem:  # noqa: BLE001 - the step ends here, and its record must say how
            status, message = Status.FAILED, self.session.explain(problem)
        host = self.session.connection.host
        record = HostRecord(
            host=host.name,
            address=host.target,
            kind=host.kind,
            operation=self.session.operation.describe(),
            status=status,
            message="; ".join(
                filter(None, (_RECONNECTED if self.reconnected else "", message, *self._unmentioned(message)))
            ),
            proven=self.history.done_in,
            attempt=self.session.attempt,
            started=started,
            ended=now(),
            changes=[*self.session.taken_over, *self.session.changes],
            checks=self.session.checks,
            facts=self.session.observed.plain(),
            commands=self.session.commands,
        )
        return self.session.recorder.masked(record)

    def _unmentioned(self, message: str) -> list[str]:
        """Return the notes on commands that a message does not have yet."""
        return [note for note in self.session.notes if note not in message]

    def _carry_out(self) -> tuple[Status, str]:
        self.session.stop_if_interrupted()
        if isinstance(self.session.operation, Task):
            return self._check_task(self.session.operation)
        self._open()
        if isinstance(self.session.operation, Look):
            return self._look(self.session.operation)
        if self.session.mode is Mode.VALIDATE:
            return self._validate()
        if self.session.mode is Mode.APPLY and not isinstance(self.session.operation, Probe):
            if self.history.done_in and not self.session.operation.repeatable:
                return (
                    Status.SKIPPED,
                    f"already done in {self.history.done_in}; not marked repeatable, so not run again",
                )
            self.session.hold_lock()  # before planning, so that no other run changes the facts the plan is based on
            status, message = self._plan_then_act()
            return status, "; ".join(filter(None, (message, self._history_note(status))))
        return self._plan_then_act()

    def _open(self) -> None:
        """Connect, and keep what the record says of the connection."""
        self.session.open()
        self.reconnected = self.session.recorder.note_connection(self.session.connection, self.session.step)

    def _check_task(self, task: Task) -> tuple[Status, str]:
        """Check a learner's task. What is not solved yet fails only in mode `validate`: the learner goes on.

        A host that cannot be reached, or that lacks what a fact reads, is a state like any other to find a way out of.
        """
        try:
            self._open()
            self.session.checks = task.verify(self.session.read_facts())
            unmet = describe_unmet([check for check in self.session.checks if check.id != SOLVED])
        except (DeadlinePassed, Interrupted):
            raise
        except (OperationError, UnreachableError) as problem:
            if self.session.mode is Mode.VALIDATE:
                raise
            self.session.checks = [solved(holds=False)]
            unmet = problem.message
        if all_hold(self.session.checks):
            return Status.OK, ""
        status = Status.FAILED if self.session.mode is Mode.VALIDATE else Status.SKIPPED
        return status, f"not solved yet: {unmet}"

    def _look(self, operation: Look) -> tuple[Status, str]:
        """Send a person's look, in every mode; whatever its exit code is, the step is `ok`."""
        output = self.session.look(operation.command, operation.command_kind)
        self.session.checks = operation.verify(self.session.observed)
        return Status.OK, f"exit code {output.exit_code}" if output.exit_code else ""

    def _plan_then_act(self) -> tuple[Status, str]:
        try:
            facts, plan = plan_after_revert(self.session)
        except NotApplicable:
            raise
        except PlanRefused as refused:
            if self.session.mode is Mode.PLAN and self.session.predicting:
                # The obstacle may be gone once the earlier steps have been applied.
                return (
                    Status.SKIPPED,
                    f"cannot be planned before the steps above are applied: {refused.message}",
                )
            raise
        if self.transaction:
            self.transaction.check_plan(self.session.connection.host.name, plan)
        # Also what undoes the change: refused only when it is needed, it would leave the change in place.
        self.session.recorder.refuse_shown_secrets(self.session.connection, plan.all_commands)
        self.plan = plan
        self.session.changes = list(plan.changes)
        if self.session.mode is not Mode.PLAN:
            return self._apply(plan, facts)
        if plan.commands or plan.reboot:
            return Status.PLANNED, record_planned(self.session, plan, self.transaction)
        self.session.checks = self.session.operation.verify(facts)
        # A probe asks for what the steps before it set up; a reload, whether one of them has changed something.
        if not all_hold(self.session.checks) and self.session.predicting:
            return Status.SKIPPED, "cannot be known before the steps planned above are applied"
        return self._judge(Status.OK)

    def _history_note(self, status: Status) -> str:
        """Return what a reader who compares both runs must know."""
        if status is Status.CHANGED and self.history.done_in:
            return f"already done in {self.history.done_in}, but no longer in the desired state"
        if self.history.started_in and not self.session.operation.verifiable:
            return f"run again: {self.history.started_in} started it, with unknown outcome"
        return ""

    def _validate(self) -> tuple[Status, str]:
        if not self.session.operation.verifiable:
            script = self.session.operation.command_kind == "shell"
            return (
                Status.SKIPPED,
                "not sent: mode validate changes nothing" if script else "no checks to validate",
            )
        # Validation does not wait: a check that does not hold now has failed.
        self.session.checks = self.session.operation.verify(self.session.read_facts())
        return self._judge(Status.OK)

    def _apply(self, plan: Plan, facts: Facts) -> tuple[Status, str]:
        if not plan.commands and not plan.reboot:
            self.session.checks = self.session.operation.verify(facts)
            if not all_hold(self.session.checks) and self.session.operation.settle:
                self.session.read_until_settled()
            return self._judge(Status.OK)
        if plan.guard:
            return apply_with_confirmation(self.session, plan, plan.guard, facts)
        if plan.reboot:
            return reboot_and_confirm(self.session, plan, plan.reboot, facts)
        try:
            for command in plan.commands:
                self.session.send(command, self.session.operation.command_kind)
            self.session.read_until_settled()
            self.session.changes += self.session.operation.observed_changes(facts, self.session.observed)
        except EvidenceError:
            raise
        except Exception as problem:
            # Whether the change does what it should is not known: it is not left in place.
            outcome = self._after_rollback(plan)
            if isinstance(problem, RunbookError) and not isinstance(problem, NotApplicable):
                problem.message += outcome
                raise
            raise OperationError(self.session.explain(problem) + outcome) from problem
        status, message = self._judge(Status.CHANGED)
        return status, message + (self._after_rollback(plan) if status is Status.FAILED else "")

    def _after_rollback(self, plan: Plan) -> str:
        """Roll back a change that has begun, if its plan says how; return what the message adds."""
        begun = any(command.kind == self.session.operation.command_kind for command in self.session.commands)
        if not (plan.rollback and begun):
            return ""
        self.session.leave_in_order()
        problems = send_rollback(self.session, (("", command) for command in plan.rollback))
        return f"; {rollback_failed(problems) if problems else 'the change was rolled back'}"

    def _judge(self, success: Status) -> tuple[Status, str]:
        if not self.session.checks:
            return Status.FAILED, "the operation has no checks"
        unmet = describe_unmet(self.session.checks)
        return (Status.FAILED, unmet) if unmet else (success, "")
