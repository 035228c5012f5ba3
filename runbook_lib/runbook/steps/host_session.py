"""A session on one host during one step: sends commands and reads facts, recorded and limited in time.

Shared by an ordinary step, a network change under commit-confirm, and a reboot.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import TYPE_CHECKING, Any

from runbook_lib.connections.command_wait import CommandWait
from runbook_lib.errors import (
    CommandFailed,
    FactError,
    FactUnavailable,
    Interrupted,
    RunbookError,
    UnreachableError,
)
from runbook_lib.facts.base import Fact, Facts
from runbook_lib.grace_periods import ROLLBACK
from runbook_lib.model.commands import Command, DockerQuery, NetworkQuery, Output
from runbook_lib.model.status import Mode
from runbook_lib.runbook.steps import host_session_errors
from runbook_lib.runbook.steps.fact_requests import ask
from runbook_lib.runbook.steps.interrupts import DelayedCancel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runbook_lib.connections.base import Connection
    from runbook_lib.model.kinds import CommandKind
    from runbook_lib.model.plans import Change, Check
    from runbook_lib.model.records import CommandRecord
    from runbook_lib.operations.base import Operation
    from runbook_lib.runbook.steps.deadline import Deadline
    from runbook_lib.runbook.steps.host_lock import HostLock
    from runbook_lib.runbook.steps.recorder import Recorder

__all__ = ["HostSession", "all_hold"]

_log = logging.getLogger(__name__)
_POLL = 0.1  # seconds between checks of the clock and of an interrupt
_MOST_FACTS = 1000  # an operation that asks for more does not come to an end


class HostSession:
    """One host during one step.

    Args:
        operation: The operation whose facts are read and whose checks are made.
        connection: The connection to the host.
        recorder: Sends and records commands.
        step: The step's number.
        mode: What the run may do.
        predicting: In mode `plan`: an earlier step plans changes, which may provide what is missing now.
        deadline: When the step must be finished; a rollback may take longer.
        lock: Acquired before anything is changed.
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
        self.notes: list[str] = []
        self.cancel = recorder.cancel
        self.attempt = 1

    def explain(self, problem: Exception) -> str:
        """Return what went wrong, for the record; an error that is not this library's is logged with its traceback."""
        if not isinstance(problem, RunbookError):
            _log.error("step %s on %s", self.step, self.connection.host.name, exc_info=problem)
        return host_session_errors.describe(problem)

    def open(self) -> None:
        """Connect unless connected already, within the deadline.

        Raises:
            Interrupted: The run was interrupted meanwhile.
            UnreachableError: The host cannot be reached in time.
        """
        left = self.deadline.left if self.deadline else float("inf")
        try:
            self.connection.open(CommandWait(left, self.cancel))
        except UnreachableError as problem:
            if self.cancel.is_set():
                self.stop_if_interrupted(f"stopped while connecting: {problem.message}")
            raise

    def send(self, command: Command, kind: CommandKind) -> Output:
        """Send one command and return its output, if its exit code is accepted.

        Raises:
            Interrupted: The run was interrupted before or while the command ran.
            DeadlinePassed: The step's or the run's deadline passed before or while the command ran.
            CommandFailed: The exit code is not accepted, or none arrived.
        """
        self.stop_if_interrupted()
        if kind != "rollback":  # a rollback must not wait for a lock
            self.hold_lock()
        output = self._send(command, kind)
        if output.exit_code in command.accept or (output.exit_code is None and command.may_cut_connection):
            return output
        self._raise_if_cut_short(command, output)
        raise host_session_errors.command_failed(command, output, self.connection.host.name)

    def look(self, command: Command, kind: CommandKind) -> Output:
        """Send a command that a person looks at the host with: without the lock, and any exit code will do.

        Raises:
            Interrupted: As `send`; likewise `DeadlinePassed`.
            CommandFailed: No exit code arrived.
        """
        self.stop_if_interrupted()
        output = self._send(command, kind)
        if output.exit_code is None:
            self._raise_if_cut_short(command, output)
            raise host_session_errors.command_failed(command, output, self.connection.host.name)
        return output

    def stop_if_interrupted(self, what: str = "stopped before the next command") -> None:
        """Raise `Interrupted` if the run was interrupted, `DeadlinePassed` if the deadline has passed."""
        if self.cancel.is_set():
            raise Interrupted(what, where=self.connection.host.name)
        if self.deadline and self.deadline.passed:
            raise self.deadline.error(what, self.connection.host.name)

    def leave_in_order(self) -> None:
        """Give a change that has begun time to be confirmed or rolled back, past the deadline and past an interrupt."""
        self.extend_deadline(ROLLBACK)
        self.cancel = DelayedCancel(self.recorder.cancel, ROLLBACK)

    def extend_deadline(self, seconds: float) -> None:
        """Extend the deadline, if there is one: by seconds from now, or from the deadline if it is still to come."""
        self.deadline = self.deadline.extended(seconds) if self.deadline else None

    def read_facts(self) -> Facts:
        """Read the operation's facts, and those that only these show to be needed.

        If some of them cannot be read, the others are still read and recorded.

        Raises:
            OperationError: A fact's command failed, or its output cannot be parsed; the message names every such fact.
            UnreachableError: The connection was lost.
        """
        values: dict[Fact[Any], Any] = {}
        wanted = list(dict.fromkeys(self.operation.facts()))
        while True:
            problems: list[FactError | CommandFailed] = []
            for fact, request, output in self._ask(wanted):
                try:
                    values[fact] = self._value(fact, request, output)
                except FactUnavailable:
                    raise
                except (FactError, CommandFailed) as problem:
                    problems.append(problem)
            self.observed = Facts(values)
            if problems:
                first, *others = problems
                first.message = "; ".join([first.message, *(problem.message for problem in others)])
                raise first
            further = self.operation.further_facts(self.observed)
            wanted = [fact for fact in dict.fromkeys(further or ()) if fact not in values]
            if further is None:
                self.stop_if_interrupted()
            elif not wanted:
                return self.observed
            if wanted and len(values) >= _MOST_FACTS:
                asks = f"{self.operation.describe()}: still asks for facts after {len(values)}"
                raise host_session_errors.too_many_facts(asks, wanted[0].label, self.connection.host.name)

    def read_until_settled(self) -> bool:
        """Read facts and check until all checks hold or the `settle` time is over; return whether they hold."""
        deadline = time.monotonic() + self.operation.settle
        while True:
            try:
                self.checks = self.operation.verify(self.read_facts())
            except FactUnavailable:
                # A service that was just started may not answer yet.
                if time.monotonic() > deadline:
                    raise
                self.checks = []
            if all_hold(self.checks) or time.monotonic() > deadline:
                return all_hold(self.checks)
            self.stop_if_interrupted()
            self.attempt += 1
            self.pause(self.operation.poll_interval)

    def pause(self, seconds: float) -> None:
        """Wait, at most until the run is interrupted or the deadline has passed."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.cancel.is_set() or (self.deadline and self.deadline.passed):
                return
            time.sleep(min(left, _POLL))

    def read_fact(self, fact: Fact[Any]) -> Any:  # noqa: ANN401 - any fact's value
        """Read one fact.

        Raises:
            OperationError: The command failed, or its output cannot be parsed.
            UnreachableError: The connection was lost.
        """
        ((_, request, answer),) = self._ask([fact])
        return self._value(fact, request, answer)

    def _value(
        self, fact: Fact[Any], request: Command | DockerQuery | NetworkQuery, output: Output | RunbookError
    ) -> Any:  # noqa: ANN401 - any fact's value
        """Return a fact's value, or raise why there is none."""
        try:
            if isinstance(output, RunbookError):
                raise output
            self._raise_if_not_run(request, output)
            if output.truncated:
                raise host_session_errors.too_large_to_parse(fact.label, self.connection.host.name)
            if isinstance(request, Command) and output.exit_code not in request.accept:
                self._raise_if_cut_short(request, output)
                raise CommandFailed(
                    f"{fact.label}: {host_session_errors.how_it_ended(request, output)}",
                    where=self.connection.host.name,
                )
            if isinstance(request, NetworkQuery) and output.exit_code is None:
                self._raise_if_cut_short(request, output)
                output = dataclasses.replace(output, exit_code=1, stderr=output.problem)
            return fact.parse(output)
        except FactUnavailable:
            if self.mode is Mode.PLAN and self.predicting:
                return fact.absent()
            raise

    def hold_lock(self) -> None:
        """Acquire the host's lock if it is not held; record a change if it was taken over from another run."""
        change = self.lock.ensure(self.step, self.deadline) if self.lock else None
        if change:
            self.taken_over.append(change)

    def _raise_if_cut_short(self, command: Command | NetworkQuery, output: Output) -> None:
        """Raise if the command was interrupted, cut short by the deadline or by a lost connection."""
        if output.exit_code is None and self.cancel.is_set():
            self.stop_if_interrupted(
                f"{host_session_errors.quoted_command(command.text, 80)} was running: {output.problem}"
            )
        if output.exit_code is None and self.deadline and self.deadline.passed:
            raise self.deadline.error(
                host_session_errors.how_it_ended(command, output), self.connection.host.name
            )
        if output.lost:
            raise host_session_errors.connection_lost(command, output, self.connection.host.name)

    def _send(self, command: Command, kind: CommandKind) -> Output:
        output = self.recorder.send(self.connection, command, **self._circumstances(kind))
        self._raise_if_not_run(command, output)
        return output

    def _ask(
        self, facts: Iterable[Fact[Any]]
    ) -> Iterator[tuple[Fact[Any], Command | DockerQuery | NetworkQuery, Output | RunbookError]]:
        return ask(
            self.recorder, self.connection, facts, self.stop_if_interrupted, **self._circumstances("fact")
        )

    def _circumstances(self, kind: CommandKind) -> dict[str, Any]:
        """Return what the recorder must know of every command of this session."""
        return {
            "step": self.step,
            "kind": kind,
            "attempt": self.attempt,
            "records": self.commands,
            "deadline": self.deadline,
            "cancel": self.cancel,
        }

    def _raise_if_not_run(self, request: Command | DockerQuery | NetworkQuery, output: Output) -> None:
        """Keep the note on a command; raise if sudo did not run the command."""
        if output.note and output.note not in self.notes:
            self.notes.append(output.note)
        if output.refused and not (isinstance(request, Command) and request.probes_sudo):
            # The exit code is sudo's own: the command did not run, whatever exit codes it accepts.
            raise host_session_errors.refused_by_sudo(request, output, self.connection.host.name)


def all_hold(checks: list[Check]) -> bool:
    """Return whether there are checks and all of them hold; without checks nothing is proven."""
    return bool(checks) and all(check.holds for check in checks)
