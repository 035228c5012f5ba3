"""Send requests to hosts, each with a journal entry before it is sent and after it has finished."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

from runbook_lib.connections import network_query
from runbook_lib.connections.command_wait import CommandWait
from runbook_lib.connections.shown_command import shown_command
from runbook_lib.errors import EvidenceError, Interrupted, RunbookError
from runbook_lib.evidence import events
from runbook_lib.evidence.spooled_output import SpooledOutputs
from runbook_lib.model.commands import Command, DockerQuery, NetworkQuery, Output
from runbook_lib.model.records import CommandRecord, HostRecord
from runbook_lib.model.step_progress import Running
from runbook_lib.runbook.steps.command_records import CommandRecords, now
from runbook_lib.runbook.steps.limited_request import send_within
from runbook_lib.shown_secrets import secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runbook_lib.connections.base import Connection
    from runbook_lib.connections.output_budget import OutputBudget, OutputLimit
    from runbook_lib.evidence.journal import Journal
    from runbook_lib.evidence.output_store import OutputStore
    from runbook_lib.model.kinds import CommandKind
    from runbook_lib.runbook.notebook.parent_process import ParentProcess
    from runbook_lib.runbook.steps.deadline import Deadline
    from runbook_lib.secrets import Secrets

__all__ = ["Recorder", "now"]


class Recorder:
    """Sends requests to hosts and records them; steps have no other access to a host.

    Args:
        journal: Gets an entry before and after each request.
        outputs: Stores outputs that are too large for a record.
        secrets: Masks every text that goes into a record.
        cancel: Set once the run is interrupted.
        parent: The process that started this run's kernel.
        budget: How many bytes the hosts may send.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that a run's evidence depends on
        self,
        journal: Journal,
        outputs: OutputStore,
        secrets: Secrets,
        cancel: threading.Event,
        parent: ParentProcess,
        budget: OutputBudget,
    ) -> None:
        self.journal = journal
        self.cancel = cancel
        self._parent = parent
        self._budget = budget
        self._outputs = outputs
        self._secrets = secrets
        self._commands = CommandRecords(outputs, secrets)
        self._connection_numbers: dict[str, int] = {}
        self._running: dict[str, tuple[CommandRecord, OutputLimit | None]] = {}

    def running(self, host: str) -> Running:
        """Return what a host is doing now, without secret values.

        Args:
            host: Its name.
        """
        found = self._running.get(host)
        if found is None:
            return Running(host, "waiting")
        record, limit = found
        seconds = (now() - record.started).total_seconds()
        last_line = self.mask(limit.last_line) if limit else ""
        return Running(host, "running", record.purpose, str(shown_command(record.text)), seconds, last_line)

    def note_connection(self, connection: Connection, step: int) -> bool:
        """Journal the host's current connection, unless that was done before.

        Returns:
            Whether the connection replaces an earlier one.
        """
        host, established = connection.host, connection.established
        previous = self._connection_numbers.get(host.name, 0)
        if established is None or established.number == previous:
            return False
        self._connection_numbers[host.name] = established.number
        events.connected(self.journal, host, established, step)
        return bool(previous)

    def mask(self, text: str) -> str:
        """Return `text` without secret values."""
        return self._secrets.mask(text)

    def recorded_stdin(self, command: Command) -> str | None:
        """Return what a record shows of a command's standard input; None if it has none."""
        return self._commands.stdin(command)

    def refuse_shown_secrets(self, connection: Connection, commands: Iterable[Command]) -> None:
        """Refuse commands whose text would show a secret, before the first of them is sent.

        Raises:
            PlanRefused: One of them would.
        """
        for command in commands:
            self._commands.text(connection, command)

    def masked(self, record: HostRecord) -> HostRecord:
        """Return a host's record without secret values: facts and checks are read from unmasked outputs."""
        if not self._secrets.known:
            return record
        return HostRecord.model_validate(self._secrets.mask_data(record.model_dump(mode="json")))

    def send(  # noqa: PLR0913 - the request and the fields of its record
        self,
        connection: Connection,
        request: Command | DockerQuery | NetworkQuery,
        *,
        step: int,
        kind: CommandKind,
        attempt: int = 1,
        records: list[CommandRecord],
        deadline: Deadline | None = None,
        cancel: threading.Event | None = None,
    ) -> Output:
        """Send one request and return its output. Its record is appended to `records`, also if this raises.

        A command that is still running at its timeout or at the deadline, or prints too much, is stopped on the host.

        Args:
            connection: The connection to the host.
            request: What to send.
            step: The step's number.
            kind: What the request is for.
            attempt: Ordinal of this attempt at the same.
            records: Gets the record.
            deadline: When the request must be finished.
            cancel: Stops the wait once it is set; None: the interrupt of the run does.

        Raises:
            EvidenceError: The request could not be journaled; without its first entry nothing was sent.
            UnreachableError: The request could not be sent.
            FactUnavailable: There is no Docker engine to query.
            PlanRefused: The command line would contain a secret; nothing was sent.
            Interrupted: The parent process has exited; nothing was sent.
        """
        if kind != "termination":
            self.stop_without_parent()
        if isinstance(request, NetworkQuery):
            request = network_query.addressed(request, connection)
        self.note_connection(connection, step)
        record = self._commands.started(connection, request, kind, attempt)
        events.command_started(self.journal, record, step, connection.host.name)
        return self._finish(
            connection,
            request,
            record,
            step=step,
            records=records,
            deadline=deadline,
            cancel=cancel,
            ahead=False,
        )

    def send_together(  # noqa: PLR0913 - as for `send`
        self,
        connection: Connection,
        commands: Sequence[Command],
        *,
        step: int,
        kind: CommandKind,
        attempt: int = 1,
        records: list[CommandRecord],
        deadline: Deadline | None = None,
        cancel: threading.Event | None = None,
    ) -> list[Output | RunbookError]:
        """Send as many commands at once as the host allows, from the first on; return what `send` would, in order.

        All of them are journaled before the first is sent, and each is recorded, whatever becomes of the others.

        Args:
            connection: The connection to the host.
            commands: Read-only commands, for each of which `connection.can_send_together` holds.
            step: As for `send`, also the others.
            kind: What the commands are for.
            attempt: Ordinal of this attempt at the same.
            records: Gets the records.
            deadline: When each command must be finished.
            cancel: Stops the wait once it is set.

        Returns:
            For each command that was sent its output, or the error that `send` would have raised.

        Raises:
            EvidenceError: As for `send`; likewise `PlanRefused` and `Interrupted`.
        """
        if kind != "termination":
            self.stop_without_parent()
        self.note_connection(connection, step)
        self.refuse_shown_secrets(connection, commands)  # no number is used up if one of them is refused
        first = commands[0]
        if deadline is not None and deadline.left < first.timeout:
            first = dataclasses.replace(first, timeout=deadline.left)
        together = commands[: connection.reserve([first, *commands[1:]], cancel or self.cancel)]
        self.note_connection(connection, step)
        started = [self._commands.started(connection, command, kind, attempt) for command in together]
        for record in started:
            last = record is started[-1]
            events.command_started(self.journal, record, step, connection.host.name, wait=last)
        if len(together) > 1:
            connection.send_ahead(together)
        results: list[Output | RunbookError] = []
        for command, record in zip(together, started, strict=True):
            try:
                result: Output | RunbookError = self._finish(
                    connection, command, record, step=step, records=records, deadline=deadline, cancel=cancel
                )
            except EvidenceError:
                raise
            except RunbookError as problem:
                result = problem
            results.append(result)
        return results

    def _finish(  # noqa: PLR0913 - as for `send`
        self,
        connection: Connection,
        request: Command | DockerQuery | NetworkQuery,
        record: CommandRecord,
        *,
        step: int,
        records: list[CommandRecord],
        deadline: Deadline | None,
        cancel: threading.Event | None,
        ahead: bool = True,
    ) -> Output:
        """Send a request unless it was sent ahead, wait for it, and record its end."""

        def send_stop(command: Command) -> Output:
            return self.send(
                connection, command, step=step, kind="termination", attempt=record.attempt, records=records
            )

        def end(output: Output) -> CommandRecord:
            ended = self._commands.ended(record, request, output, spooled)
            events.command_ended(self.journal, ended, step, connection.host.name)
            return ended

        spooled = SpooledOutputs(self._outputs, self._secrets)
        # What leaves the host in order may also be sent when the run has used up its bytes.
        limit = self._budget.limit(may_exceed_run=record.kind in ("rollback", "termination"))
        # A secret that the command prints is masked once it is complete.
        shows_secret = isinstance(request, Command) and request.shows_secret
        self._running[connection.host.name] = (record, None if shows_secret else limit)
        try:
            if connection.always_established and not ahead and not isinstance(request, NetworkQuery):
                # A connection that was lost is made again: the journal has the new one before anything is sent over it.
                seconds = min(request.timeout, deadline.left if deadline else request.timeout)
                connection.open(CommandWait(seconds, cancel or self.cancel))
                self.note_connection(connection, step)
            if isinstance(request, Command) and record.kind == "termination":
                # It is sent after an interrupt, which must not cut it short.
                output = connection.run(request, threading.Event(), spooled.open, limit)
            else:
                output = send_within(
                    connection, request, deadline, cancel or self.cancel, spooled, limit, send_stop
                )
            for shown in secrets_in(request, output):  # before anything of the output is recorded
                self._secrets.protect(*shown)
            records.append(end(output))
        except EvidenceError:
            raise
        except RunbookError as problem:
            # Not sent, or not answered: the record says so before the error is passed on.
            failed = Output(exit_code=None, problem=problem.message)
            records.append(end(failed))
            raise
        finally:
            self._running.pop(connection.host.name, None)
            spooled.discard()
            records.sort(key=lambda one: one.number)  # the command that stopped this one was recorded first
            self.note_connection(connection, step)
        return output

    def stop_without_parent(self, what: str = "stopped before the next command") -> None:
        """Interrupt the run if its parent process has exited: nobody would receive the output of further commands.

        Args:
            what: What is not done, for messages.

        Raises:
            Interrupted: The parent process has exited; the journal says so.
        """
        if not self._parent.gone:
            return
        if not self.cancel.is_set():
            events.runner_gone(self.journal, self._parent.pid)
            self.cancel.set()
        raise Interrupted(
            f"{what}: the parent process {self._parent.pid} has exited",
            hint="run it again: steps already in the desired state report ok",
        )
