"""Send requests to hosts, each with a journal entry before it is sent and after it has finished."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runbook_lib.connections import network_query
from runbook_lib.connections.command_wait import CommandWait
from runbook_lib.errors import EvidenceError, Interrupted, PlanRefused, RunbookError, UnreachableError
from runbook_lib.evidence import events
from runbook_lib.evidence.spooled_output import HEAD, TAIL, SpooledOutputs
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, DockerQuery, NetworkQuery, Output
from runbook_lib.model.records import CommandRecord, HostRecord, StreamRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.connections.base import Connection
    from runbook_lib.connections.output_budget import OutputBudget, OutputLimit
    from runbook_lib.evidence.journal import Journal
    from runbook_lib.evidence.output_store import OutputStore
    from runbook_lib.model.records import CommandKind
    from runbook_lib.runbook.deadline import Deadline
    from runbook_lib.runbook.parent_process import ParentProcess
    from runbook_lib.secrets import Secrets

__all__ = ["Recorder", "now"]


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


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
        self._numbers = itertools.count(1)
        self._connection_numbers: dict[str, int] = {}

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
        shown = command.stdin if command.stdin_summary is None else command.stdin_summary
        return shown if shown is None else self.mask(shown)

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
        self._stop_without_parent(kind)
        self.note_connection(connection, step)
        if isinstance(request, NetworkQuery):
            request = network_query.addressed(request, connection)
        text = connection.render(request) if isinstance(request, Command) else request.text
        if self.mask(text) != text:
            raise PlanRefused(
                f"`{excerpt(self.mask(text), 200)}` would show a secret to every process on the host",
                where=connection.host.name,
                hint="pass it on standard input, or in a file with mode 0600",
            )
        record = CommandRecord(
            number=next(self._numbers),
            kind=kind,
            text=text,
            stdin=self.recorded_stdin(request) if isinstance(request, Command) else None,
            purpose=self.mask(request.purpose) if isinstance(request, Command) else "",
            attempt=attempt,
            started=now(),
        )
        events.command_started(self.journal, record, step, connection.host.name)

        def send_stop(command: Command) -> Output:
            return self.send(
                connection, command, step=step, kind="termination", attempt=attempt, records=records
            )

        def end(output: Output) -> CommandRecord:
            ended = self._ended(record, request, output, spooled)
            events.command_ended(self.journal, ended, step, connection.host.name)
            return ended

        spooled = SpooledOutputs(self._outputs, self._secrets)
        # What leaves the host in order may also be sent when the run has used up its bytes.
        limit = self._budget.limit(may_exceed_run=kind in ("rollback", "termination"))
        try:
            if isinstance(request, Command) and kind == "termination":
                # It is sent after an interrupt, which must not cut it short.
                output = connection.run(request, threading.Event(), spooled.open, limit)
            else:
                output = self._exchange(
                    connection, request, deadline, cancel or self.cancel, spooled, limit, send_stop
                )
            records.append(end(output))
        except EvidenceError:
            raise
        except RunbookError as problem:
            # Not sent, or not answered: the record says so before the error is passed on.
            failed = Output(exit_code=None, problem=problem.message)
            records.append(end(failed))
            raise
        finally:
            spooled.discard()
            records.sort(key=lambda one: one.number)  # the command that stopped this one was recorded first
            self.note_connection(connection, step)
        return output

    def _stop_without_parent(self, kind: CommandKind) -> None:
        """Raise if the parent process has exited: nobody would receive the output of further commands."""
        if kind == "termination" or not self._parent.gone:
            return
        if not self.cancel.is_set():
            events.runner_gone(self.journal, self._parent.pid)
            self.cancel.set()
        raise Interrupted(
            f"stopped before the next command: the parent process {self._parent.pid} has exited",
            hint="run it again: steps already in the desired state report ok",
        )

    def _exchange(  # noqa: PLR0913, PLR0917 - all that limits a request
        self,
        connection: Connection,
        request: Command | DockerQuery | NetworkQuery,
        deadline: Deadline | None,
        cancel: threading.Event,
        spooled: SpooledOutputs,
        limit: OutputLimit,
        send_stop: Callable[[Command], Output],
    ) -> Output:
        """Send a request within the deadline, and stop a command that is still running by then on the host."""
        cut_short = deadline is not None and deadline.left < request.timeout
        if isinstance(request, NetworkQuery):
            return network_query.ask(
                request,
                connection,
                CommandWait(min(request.timeout, deadline.left if deadline else request.timeout), cancel),
            )
        if isinstance(request, DockerQuery):
            if deadline is not None and cut_short:
                request = dataclasses.replace(request, timeout=max(1.0, deadline.left))
            return connection.query_docker(request, cancel, limit)
        if deadline is not None and cut_short and request.safe_to_interrupt:
            sent = dataclasses.replace(request, timeout=deadline.left)
        else:
            sent, cut_short = request, False
        output = connection.run(sent, cancel, spooled.open, limit)
        if not output.still_running:
            return output
        overdue = (
            deadline is not None and deadline.passed and cut_short and not (cancel.is_set() or limit.cut)
        )
        why = deadline.message if deadline and overdue else output.problem
        try:
            result = connection.stop(request, send_stop)
        except UnreachableError as gone:
            result = f"could not confirm termination on the host: {gone.message}"
        return dataclasses.replace(output, problem=f"{why}; {result}", ended=time.time())

    def _ended(
        self,
        record: CommandRecord,
        request: Command | DockerQuery | NetworkQuery,
        output: Output,
        spooled: SpooledOutputs,
    ) -> CommandRecord:
        """Return the record of a command that has ended."""
        accept = request.accept if isinstance(request, Command) else (0, 1)
        stored = spooled.records()
        return record.model_copy(
            update={
                "ended": now(),
                "exit_code": output.exit_code,
                "accepted": output.exit_code in accept,
                "problem": self.mask(output.problem),
                "stdout": stored.get("stdout") or self._stream(output.stdout),
                "stderr": stored.get("stderr") or self._stream(output.stderr),
            }
        )

    def _stream(self, raw: str) -> StreamRecord:
        text = self.mask(raw)
        whole = text.encode()
        complete = len(text) <= HEAD + TAIL
        return StreamRecord(
            head=text if complete else text[:HEAD],
            tail="" if complete else text[-TAIL:],
            size=len(whole),
            sha256=self._outputs.digest(whole) if complete else self._outputs.put(whole),
            complete=complete,
        )
