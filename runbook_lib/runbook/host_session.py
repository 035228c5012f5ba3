"""A session on one host during one step: commands out, answers in, all of it recorded and bounded in time.

What a step, a guarded network change and a reboot have in common.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import CommandFailed, FactError, FactUnavailable, Interrupted, UnreachableError
from runbook_lib.facts.base import Fact, Facts
from runbook_lib.model.commands import Command
from runbook_lib.model.status import Mode

if TYPE_CHECKING:
    from runbook_lib.connections.base import Connection
    from runbook_lib.model.commands import DockerQuery, Output
    from runbook_lib.model.plans import Change, Check
    from runbook_lib.model.records import CommandKind, CommandRecord
    from runbook_lib.operations.base import Operation
    from runbook_lib.runbook.deadline import Deadline
    from runbook_lib.runbook.host_lock import HostLock
    from runbook_lib.runbook.recorder import Recorder

__all__ = ["HostSession", "all_hold"]


class HostSession:
    """One host during one step.

    Args:
        operation: What the step is about; its facts are read and its checks made.
        connection: The host.
        recorder: Sends and records.
        step: The step's number.
        mode: What may be done.
        predicting: In mode `plan`: an earlier step plans changes, so what is missing may come.
        deadline: When the step must be over; rolling back may take longer.
        lock: Held before anything is changed.
    """

    def __init__(  # noqa: PLR0913 - what a step on a host is made of
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
    ) -> None:
        self.operation = operation
        self.connection = connection
        self.recorder = recorder
        self.step = step
        self.mode = mode
        self.predicting = predicting
        self.deadline = deadline
        self.lock = lock
        self.taken_over: list[Change] = []
        self.commands: list[CommandRecord] = []
        self.checks: list[Check] = []
        self.changes: list[Change] = []
        self.observed: Facts = Facts({})
        self.attempt = 1

    def send(self, command: Command, kind: CommandKind) -> Output:
        """Send one command and refuse an exit code that is not accepted.

        Raises:
            Interrupted: The run was interrupted before or while it ran.
            DeadlinePassed: The step's or the run's time was over before or while it ran.
            CommandFailed: It ended otherwise than accepted, or its end was never told.
        """
        self.stop_if_interrupted()
        if kind != "rollback":  # what was there before is put back in any case
            self.hold_lock()
        output = self._ask(command, kind)
        if output.exit_code in command.accept or (output.exit_code is None and command.may_cut_connection):
            return output
        self._refuse_cut(command, output)
        raise CommandFailed(
            f"`{command.text[:200]}` {how_it_ended(output)}",
            where=self.connection.host.name,
            hint="look on the host what it waits for, then run again" if output.still_running else None,
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

    def read_facts(self) -> Facts:
        """Gather the operation's facts."""
        values: dict[Fact[Any], Any] = {}
        for fact in self.operation.facts():
            if fact not in values:
                values[fact] = self.fact(fact)
        self.observed = Facts(values)
        return self.observed

    def read_until_settled(self) -> bool:
        """Gather facts and verify until all checks hold or the operation's time to settle is over."""
        deadline = time.monotonic() + self.operation.settle
        while True:
            try:
                self.checks = self.operation.verify(self.read_facts())
            except FactUnavailable:
                # What was just started cannot always be asked yet.
                if time.monotonic() > deadline:
                    raise
                self.checks = []
            if all_hold(self.checks) or time.monotonic() > deadline:
                return all_hold(self.checks)
            self.stop_if_interrupted()
            self.attempt += 1
            time.sleep(self.operation.pace)

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
            if output.truncated:
                raise FactError(
                    f"{fact.label}: the answer is too large to be read",
                    where=self.connection.host.name,
                    hint="the whole of it is in output/ of the run's directory",
                )
            if isinstance(request, Command) and output.exit_code not in request.accept:
                self._refuse_cut(request, output)
                raise CommandFailed(
                    f"{fact.label}: `{request.text[:200]}` {how_it_ended(output)}",
                    where=self.connection.host.name,
                )
            return fact.parse(output)
        except FactUnavailable:
            if self.mode is Mode.PLAN and self.predicting:
                return fact.absent()
            raise

    def hold_lock(self) -> None:
        """Hold the host's lock from here on; note it as a change where another run's lock was taken over."""
        change = self.lock.ensure(self.step) if self.lock else None
        if change:
            self.taken_over.append(change)

    def _refuse_cut(self, command: Command, output: Output) -> None:
        """Raise where a command's end says nothing of the command: interrupted, or the connection lost."""
        if output.exit_code is None and self.recorder.cancel.is_set():
            self.stop_if_interrupted(f"`{command.text[:80]}` was under way: {output.problem}")
        if output.exit_code is None and self.deadline and self.deadline.passed:
            raise self.deadline.error(
                f"`{command.text[:200]}` {how_it_ended(output)}", self.connection.host.name
            )
        if output.lost:
            raise UnreachableError(
                f"`{command.text[:200]}`: {output.problem}",
                where=self.connection.host.name,
                hint="see whether the host is up, then run again: steps that are right already say ok",
            )

    def _ask(self, request: Command | DockerQuery, kind: CommandKind) -> Output:
        output = self.recorder.send(
            self.connection,
            request,
            step=self.step,
            kind=kind,
            attempt=self.attempt,
            records=self.commands,
            deadline=self.deadline,
        )
        wanted_sudo = isinstance(request, Command) and request.sudo and not request.probes_sudo
        if wanted_sudo and output.exit_code == 1 and output.stderr.startswith("sudo:"):
            # The exit code is sudo's own and says nothing of the command, whatever it would accept.
            raise CommandFailed(
                f"`{request.text[:200]}` was not run: {output.stderr.strip().splitlines()[-1]}",
                where=self.connection.host.name,
                hint=f"the user needs sudo on {self.connection.host.name}: passwordless, or with sudo_password "
                "in the inventory",
            )
        return output


def all_hold(checks: list[Check]) -> bool:
    """Return whether there are checks and each of them holds: no check at all proves nothing."""
    return bool(checks) and all(check.holds for check in checks)


def how_it_ended(output: Output) -> str:
    if output.exit_code is None:
        return f"did not end: {output.problem}"
    said = (output.stderr.strip() or output.stdout.strip()).splitlines()
    return f"ended with {output.exit_code}" + (f": {said[-1][:300]}" if said else "")
