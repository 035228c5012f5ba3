"""Send requests to hosts so that each is in the journal before it is sent and after it ends."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError, Interrupted, PlanRefused, RunbookError, UnreachableError
from runbook_lib.evidence.spooled_output import HEAD, TAIL, SpooledOutputs
from runbook_lib.model.commands import Command, DockerQuery, Output
from runbook_lib.model.records import CommandRecord, HostRecord, StreamRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.connections.base import Connection
    from runbook_lib.evidence.journal import Journal
    from runbook_lib.evidence.output_store import OutputStore
    from runbook_lib.model.records import CommandKind
    from runbook_lib.runbook.deadline import Deadline
    from runbook_lib.runbook.parent_process import Runner
    from runbook_lib.secrets import Secrets

__all__ = ["Recorder", "now"]


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class Recorder:
    """The one way from a step to a host.

    Args:
        journal: Where each request is told before and after.
        outputs: Where outputs go that a record cannot hold.
        secrets: Masks every text on its way to a record.
        cancel: Set once the run is interrupted.
        runner: The process that runs this run, where it is not this one.
    """

    def __init__(
        self,
        journal: Journal,
        outputs: OutputStore,
        secrets: Secrets,
        cancel: threading.Event,
        runner: Runner,
    ) -> None:
        self.journal = journal
        self.cancel = cancel
        self._runner = runner
        self._outputs = outputs
        self._secrets = secrets
        self._numbers = itertools.count(1)
        self._met: dict[str, int] = {}

    def meet(self, connection: Connection, step: int) -> bool:
        """Tell the journal of a connection that was made since this was last asked.

        Returns:
            Whether it takes the place of an earlier one.
        """
        host, established = connection.host, connection.established
        before = self._met.get(host.name, 0)
        if established is None or established.number == before:
            return False
        self._met[host.name] = established.number
        self.journal.append_nowait(
            "connected",
            step=step,
            host=host.name,
            address=host.target,
            port=host.port,
            key=established.host_key,
            number=established.number,
        )
        return bool(before)

    def mask(self, text: str) -> str:
        """Return `text` without secret values."""
        return self._secrets.mask(text)

    def masked(self, record: HostRecord) -> HostRecord:
        """Return a host's record without secret values: facts and checks are read from unmasked outputs."""
        if not self._secrets.known:
            return record
        return HostRecord.model_validate(self._secrets.mask_data(record.model_dump(mode="json")))

    def send(  # noqa: PLR0913 - what is sent, and all that its record says
        self,
        connection: Connection,
        request: Command | DockerQuery,
        *,
        step: int,
        kind: CommandKind,
        attempt: int = 1,
        records: list[CommandRecord],
        deadline: Deadline | None = None,
    ) -> Output:
        """Send one request; return what came back. Its record is appended to `records`, also where this raises.

        A command that does not end in time, or before the deadline, is ended on the host.

        Raises:
            EvidenceError: It could not be journaled; before the request nothing was sent.
            UnreachableError: It could not be sent.
            FactUnavailable: There is no engine to ask.
            PlanRefused: It would show a secret on a command line; nothing was sent.
            Interrupted: Whoever ran this run is gone; nothing was sent.
        """
        self._refuse_without_runner(kind)
        self.meet(connection, step)
        text = connection.render(request) if isinstance(request, Command) else request.text
        if self.mask(text) != text:
            raise PlanRefused(
                f"`{self.mask(text)[:200]}` would show a secret to every process of the host",
                where=connection.host.name,
                hint="hand it over on standard input, or in a file with mode 0600",
            )
        record = CommandRecord(
            number=next(self._numbers),
            kind=kind,
            text=text,
            stdin=self.mask(request.stdin)
            if isinstance(request, Command) and request.stdin is not None
            else None,
            purpose=self.mask(request.purpose) if isinstance(request, Command) else "",
            attempt=attempt,
            started=now(),
        )
        place: dict[str, int | str] = {"step": step, "host": connection.host.name, "command": record.number}
        told = record.model_dump(
            mode="json", include={"kind", "text", "stdin", "purpose", "attempt", "started"}
        )
        self.journal.append("command_started", **place, **told)

        def also_send(command: Command) -> Output:
            return self.send(
                connection, command, step=step, kind="termination", attempt=attempt, records=records
            )

        accept = request.accept if isinstance(request, Command) else (0, 1)
        spooled = SpooledOutputs(self._outputs, self._secrets)
        try:
            if isinstance(request, Command) and kind == "termination":
                # It comes after an interrupt, and must not be cut short by it.
                output = connection.run(request, threading.Event(), spooled.open)
            else:
                output = self._exchange(connection, request, deadline, spooled, also_send)
            records.append(self._end(record, output, accept, place, spooled))
        except EvidenceError:
            raise
        except RunbookError as problem:
            # Not sent, or nobody there to answer: told in the record, then passed on.
            failed = Output(exit_code=None, problem=problem.message)
            records.append(self._end(record, failed, accept, place, spooled))
            raise
        finally:
            spooled.discard()
            records.sort(key=lambda one: one.number)  # what ended a command was recorded before that command
            self.meet(connection, step)
        return output

    def _refuse_without_runner(self, kind: CommandKind) -> None:
        """Raise where whoever ran this run is gone: nobody would hear of what is done from now on."""
        if kind == "termination" or not self._runner.gone:
            return
        if not self.cancel.is_set():
            self.journal.append("runner_gone", runner=self._runner.pid)
            self.cancel.set()
        raise Interrupted(
            f"stopped before the next command: process {self._runner.pid}, which ran this run, is gone",
            hint="run it again: steps that are right already say ok",
        )

    def _exchange(
        self,
        connection: Connection,
        request: Command | DockerQuery,
        deadline: Deadline | None,
        spooled: SpooledOutputs,
        also_send: Callable[[Command], Output],
    ) -> Output:
        """Send it within the deadline, and end on the host what has not ended by then."""
        cut_short = deadline is not None and deadline.left < request.timeout
        if isinstance(request, DockerQuery):
            if deadline is not None and cut_short:
                request = dataclasses.replace(request, timeout=max(1.0, deadline.left))
            return connection.query_docker(request)
        if deadline is not None and cut_short and request.safe_to_interrupt:
            sent = dataclasses.replace(request, timeout=deadline.left)
        else:
            sent, cut_short = request, False
        output = connection.run(sent, self.cancel, spooled.open)
        if not output.still_running:
            return output
        why = deadline.over if deadline and cut_short and not self.cancel.is_set() else output.problem
        try:
            done = connection.stop(request, also_send)
        except UnreachableError as gone:
            done = f"could not confirm termination on the host: {gone.message}"
        return dataclasses.replace(output, problem=f"{why}; {done}", ended=time.time())

    def _end(
        self,
        record: CommandRecord,
        output: Output,
        accept: tuple[int, ...],
        place: dict[str, int | str],
        spooled: SpooledOutputs,
    ) -> CommandRecord:
        whole = spooled.records()
        ended = record.model_copy(
            update={
                "ended": now(),
                "exit_code": output.exit_code,
                "accepted": output.exit_code in accept,
                "problem": self.mask(output.problem),
                "stdout": whole.get("stdout") or self._stream(output.stdout),
                "stderr": whole.get("stderr") or self._stream(output.stderr),
            }
        )
        told = ended.model_dump(
            mode="json", include={"ended", "exit_code", "accepted", "problem", "stdout", "stderr"}
        )
        self.journal.append_nowait("command_ended", **place, **told)
        return ended

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
