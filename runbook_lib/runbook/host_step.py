"""One step on one host: facts, plan, commands, facts again, checks, record."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import (
    CommandFailed,
    EvidenceError,
    FactError,
    FactUnavailable,
    Interrupted,
    NotApplicable,
    OperationError,
    PlanRefused,
    RunbookError,
    UnreachableError,
)
from runbook_lib.facts.base import Fact, Facts
from runbook_lib.model.records import (
    Check,
    Command,
    CommandRecord,
    DockerQuery,
    HostRecord,
    Mode,
    Output,
    Plan,
    Status,
)
from runbook_lib.operations.base import Probe
from runbook_lib.runbook.commit_confirm import carry_out_guarded, plan_once_reverted
from runbook_lib.runbook.reboot import carry_out_reboot
from runbook_lib.runbook.recorder import now
from runbook_lib.runbook.resume import Before
from runbook_lib.runbook.run_status import broken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runbook_lib.connections.base import Connection
    from runbook_lib.model.records import Change
    from runbook_lib.operations.base import Operation
    from runbook_lib.runbook.deadline import Deadline
    from runbook_lib.runbook.host_lock import HostLock
    from runbook_lib.runbook.recorder import Kind, Recorder

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
        self.operation = operation
        self.connection = connection
        self.recorder = recorder
        self.step = step
        self.mode = mode
        self.predicting = predicting
        self.deadline = deadline
        self.lock = lock
        self.before = before or Before()
        self.taken_over: list[Change] = []
        self.commands: list[CommandRecord] = []
        self.checks: list[Check] = []
        self.changes: list[Change] = []
        self.observed: Facts = Facts({})
        self.attempt = 1
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
            _log.exception("step %s on %s", self.step, self.connection.host.name)
            status, message = Status.FAILED, f"defect in the step itself: {type(problem).__name__}: {problem}"
        host = self.connection.host
        record = HostRecord(
            host=host.name,
            address=host.target,
            kind=host.kind,
            operation=self.operation.describe(),
            status=status,
            message="; ".join(filter(None, (self.anew, message))),
            proven=self.before.run,
            attempt=self.attempt,
            started=started,
            ended=now(),
            changes=[*self.taken_over, *self.changes],
            checks=self.checks,
            facts=self.observed.plain(),
            commands=self.commands,
        )
        return self.recorder.masked(record)

    def send(self, command: Command, kind: Kind) -> Output:
        """Send one command and refuse an exit code that is not accepted.

        Raises:
            Interrupted: The run was interrupted before or while it ran.
            DeadlinePassed: The step's or the run's time was over before or while it ran.
            CommandFailed: It ended otherwise than accepted, or its end was never told.
        """
        self.stop_if_interrupted()
        if kind != "rollback":  # what was there before is put back in any case
            self._hold_lock()
        output = self._ask(command, kind)
        if output.exit_code in command.accept or (output.exit_code is None and command.cuts_connection):
            return output
        self._refuse_cut(command, output)
        raise CommandFailed(
            f"`{command.text[:200]}` {_how_it_ended(output)}",
            where=self.connection.host.name,
            hint="look on the host what it waits for, then run again" if output.under_way else None,
        )

    def stop_if_interrupted(self, what: str = "stopped before the next command") -> None:
        """Raise `Interrupted` once the run was interrupted, `DeadlinePassed` once its time is over."""
        if self.recorder.cancel.is_set():
            raise Interrupted(what, where=self.connection.host.name)
        if self.deadline and self.deadline.passed:
            raise self.deadline.error(what, self.connection.host.name)

    def lift_deadline(self) -> None:
        """Take the time that it takes: what was begun must be confirmed or put back."""
        self.deadline = None

    def look(self) -> Facts:
        """Gather the operation's facts."""
        values: dict[Fact[Any], Any] = {}
        for fact in self.operation.facts():
            if fact not in values:
                values[fact] = self.fact(fact)
        self.observed = Facts(values)
        return self.observed

    def look_until_settled(self) -> bool:
        """Gather facts and verify until all checks hold or the operation's time to settle is over."""
        deadline = time.monotonic() + self.operation.settle
        while True:
            try:
                self.checks = self.operation.verify(self.look())
            except FactUnavailable:
                # What was just started cannot always be asked yet.
                if time.monotonic() > deadline:
                    raise
                self.checks = []
            if _all_hold(self.checks) or time.monotonic() > deadline:
                return _all_hold(self.checks)
            self.stop_if_interrupted()
            self.attempt += 1
            time.sleep(self.operation.pace)

    def _carry_out(self) -> tuple[Status, str]:
        self.stop_if_interrupted()
        self.connection.open()
        if self.recorder.meet(self.connection, self.step):
            self.anew = "connected anew: the connection of the steps before was gone"
        if self.mode is Mode.VALIDATE:
            return self._validate()
        if self.mode is Mode.APPLY and not isinstance(self.operation, Probe):
            if self.before.run and not self.operation.verifiable:
                return (
                    Status.SKIPPED,
                    f"done already in {self.before.run}, and not known to be repeatable: not run again",
                )
            self._hold_lock()  # before the plan is made: no other run shall change what it is made from
            status, message = self._plan_and_go_on()
            return status, "; ".join(filter(None, (message, self._in_spite_of_before(status))))
        return self._plan_and_go_on()

    def _plan_and_go_on(self) -> tuple[Status, str]:
        try:
            facts, plan = plan_once_reverted(self)
        except NotApplicable:
            raise
        except PlanRefused as refused:
            if self.mode is Mode.PLAN and self.predicting:
                # What stands in the way now may be gone once the steps before have been applied.
                return (
                    Status.SKIPPED,
                    f"cannot be planned before the steps above are applied: {refused.message}",
                )
            raise
        self.changes = list(plan.changes)
        return self._predict(plan, facts) if self.mode is Mode.PLAN else self._apply(plan, facts)

    def _hold_lock(self) -> None:
        told = self.lock.ensure(self.step) if self.lock else None
        if told:
            self.taken_over.append(told)

    def _in_spite_of_before(self, status: Status) -> str:
        """Return what a reader of both runs must be told."""
        if status is Status.CHANGED and self.before.run:
            return f"it was done in {self.before.run} already, and was no longer so"
        if self.before.begun and not self.operation.verifiable:
            return f"run again: {self.before.begun} began it and does not tell its end"
        return ""

    def _validate(self) -> tuple[Status, str]:
        if not self.operation.verifiable:
            return (
                Status.SKIPPED,
                "nothing is known of it that could be validated, and validation changes nothing",
            )
        # Validation waits for nothing: what does not hold now does not hold.
        self.checks = self.operation.verify(self.look())
        return self._verdict(Status.OK)

    def _apply(self, plan: Plan, facts: Facts) -> tuple[Status, str]:
        if not plan.commands and not plan.reboot:
            self.checks = self.operation.verify(facts)
            if not _all_hold(self.checks) and self.operation.settle:
                self.look_until_settled()
            return self._verdict(Status.OK)
        if plan.guard:
            return carry_out_guarded(self, plan, plan.guard, facts)
        if plan.reboot:
            return carry_out_reboot(self, plan, plan.reboot, facts)
        self._change(plan)
        self.look_until_settled()
        return self._verdict(Status.CHANGED)

    def _change(self, plan: Plan) -> None:
        try:
            for command in plan.commands:
                self.send(command, self.operation.sends)
        except OperationError as problem:
            if plan.rollback:
                problem.message += f"; {self._roll_back(plan.rollback)}"
            raise

    def _roll_back(self, commands: Iterable[Command]) -> str:
        """Put back what was there before, as far as it goes; return how far that was."""
        self.lift_deadline()
        failed = []
        for command in commands:
            try:
                self.send(command, "rollback")
            except OperationError as problem:
                failed.append(problem.message)
        if failed:
            return f"WHAT WAS THERE BEFORE IS NOT BACK, look at it now: {'; '.join(failed)}"
        return "what was there before has been put back"

    def _predict(self, plan: Plan, facts: Facts) -> tuple[Status, str]:
        if plan.commands or plan.reboot:
            around = plan.guard or plan.reboot
            self._show(around.arm if around else (), "guard")
            self._show(plan.commands, self.operation.sends)
            self._show(around.confirm if around else (), "guard")
            return Status.PLANNED, ""
        self.checks = self.operation.verify(facts)
        if not _all_hold(self.checks) and self.predicting and isinstance(self.operation, Probe):
            return Status.SKIPPED, "cannot be known before the steps planned above are applied"
        return self._verdict(Status.OK)

    def _show(self, commands: Iterable[Command], kind: Kind) -> None:
        for command in commands:
            record = CommandRecord(
                number=0,
                kind=kind,
                text=self.recorder.mask(self.connection.render(command)),
                stdin=self.recorder.mask(command.stdin) if command.stdin is not None else None,
                purpose=self.recorder.mask(command.purpose),
                started=now(),
                problem="planned, not sent",
            )
            self.commands.append(record)

    def _verdict(self, success: Status) -> tuple[Status, str]:
        if not self.checks:
            return Status.FAILED, "the operation checked nothing"
        wrong = broken(self.checks)
        return (Status.FAILED, wrong) if wrong else (success, "")

    def fact(self, fact: Fact[Any]) -> Any:  # noqa: ANN401 - any fact's value
        """Ask for one fact.

        Raises:
            OperationError: There was no answer, or none that can be understood.
            UnreachableError: The connection broke.
        """
        self.stop_if_interrupted()
        request = fact.request()
        try:
            output = self._ask(request, "fact")
            if output.cut:
                raise FactError(
                    f"{fact.label}: the answer is too large to be read",
                    where=self.connection.host.name,
                    hint="the whole of it is in output/ of the run's directory",
                )
            if isinstance(request, Command) and output.exit_code not in request.accept:
                self._refuse_cut(request, output)
                raise CommandFailed(
                    f"{fact.label}: `{request.text[:200]}` {_how_it_ended(output)}",
                    where=self.connection.host.name,
                )
            return fact.parse(output)
        except FactUnavailable:
            if self.mode is Mode.PLAN and self.predicting:
                return fact.absent()
            raise

    def _refuse_cut(self, command: Command, output: Output) -> None:
        """Raise where a command's end says nothing of the command: interrupted, or the connection lost."""
        if output.exit_code is None and self.recorder.cancel.is_set():
            self.stop_if_interrupted(f"`{command.text[:80]}` was under way: {output.problem}")
        if output.exit_code is None and self.deadline and self.deadline.passed:
            raise self.deadline.error(
                f"`{command.text[:200]}` {_how_it_ended(output)}", self.connection.host.name
            )
        if output.lost:
            raise UnreachableError(
                f"`{command.text[:200]}`: {output.problem}",
                where=self.connection.host.name,
                hint="see whether the host is up, then run again: steps that are right already say ok",
            )

    def _ask(self, request: Command | DockerQuery, kind: Kind) -> Output:
        output = self.recorder.send(
            self.connection,
            request,
            step=self.step,
            kind=kind,
            attempt=self.attempt,
            records=self.commands,
            deadline=self.deadline,
        )
        wanted_sudo = isinstance(request, Command) and request.sudo and not request.asks_for_sudo
        if wanted_sudo and output.exit_code == 1 and output.stderr.startswith("sudo:"):
            # The exit code is sudo's own and says nothing of the command, whatever it would accept.
            raise CommandFailed(
                f"`{request.text[:200]}` was not run: {output.stderr.strip().splitlines()[-1]}",
                where=self.connection.host.name,
                hint=f"the user needs sudo on {self.connection.host.name}: passwordless, or with sudo_password "
                "in the inventory",
            )
        return output


def _all_hold(checks: list[Check]) -> bool:
    return bool(checks) and all(check.holds for check in checks)


def _how_it_ended(output: Output) -> str:
    if output.exit_code is None:
        return f"did not end: {output.problem}"
    said = (output.stderr.strip() or output.stdout.strip()).splitlines()
    return f"ended with {output.exit_code}" + (f": {said[-1][:300]}" if said else "")
