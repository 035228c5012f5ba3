"""Send requests to hosts so that each is in the journal before it is sent and after it ends."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from runbook_lib.errors import RunbookError
from runbook_lib.model import Command, CommandRecord, DockerQuery, HostRecord, Output, StreamRecord

if TYPE_CHECKING:
    import threading

    from runbook_lib.connections.base import Connection
    from runbook_lib.journal.writer import Journal, OutputStore
    from runbook_lib.secrets import Secrets

__all__ = ["HEAD", "TAIL", "Kind", "Recorder", "now"]

HEAD = 4096
"""Characters of an output that a record holds from its beginning."""
TAIL = 4096
"""Characters of an output that a record holds from its end."""

Kind = Literal["fact", "change", "guard", "rollback", "shell"]


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
    """

    def __init__(
        self, journal: Journal, outputs: OutputStore, secrets: Secrets, cancel: threading.Event
    ) -> None:
        self.journal = journal
        self.cancel = cancel
        self._outputs = outputs
        self._secrets = secrets
        self._numbers = itertools.count(1)

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
        kind: Kind,
        attempt: int = 1,
        records: list[CommandRecord],
    ) -> Output:
        """Send one request; return what came back. Its record is appended to `records`, also where this raises.

        Raises:
            EvidenceError: It could not be journaled; before the request nothing was sent.
            UnreachableError: It could not be sent.
            FactUnavailable: There is no engine to ask.
        """
        text = connection.render(request) if isinstance(request, Command) else request.text
        record = CommandRecord(
            number=next(self._numbers),
            kind=kind,
            text=self.mask(text),
            stdin=self.mask(request.stdin)
            if isinstance(request, Command) and request.stdin is not None
            else None,
            purpose=request.purpose if isinstance(request, Command) else "",
            attempt=attempt,
            started=now(),
        )
        place: dict[str, int | str] = {"step": step, "host": connection.host.name, "command": record.number}
        told = record.model_dump(
            mode="json", include={"kind", "text", "stdin", "purpose", "attempt", "started"}
        )
        self.journal.append("command_started", **place, **told)
        accept = request.accept if isinstance(request, Command) else (0, 1)
        try:
            output = self._exchange(connection, request)
        except RunbookError as problem:
            # Not sent, or nobody there to answer: told in the record, then passed on.
            failed = Output(exit_code=None, problem=problem.message)
            records.append(self._end(record, failed, accept, place))
            raise
        records.append(self._end(record, output, accept, place))
        return output

    def _exchange(self, connection: Connection, request: Command | DockerQuery) -> Output:
        if isinstance(request, DockerQuery):
            return connection.ask(request)
        return connection.run(request, self.cancel)

    def _end(
        self, record: CommandRecord, output: Output, accept: tuple[int, ...], place: dict[str, int | str]
    ) -> CommandRecord:
        ended = record.model_copy(
            update={
                "ended": now(),
                "exit_code": output.exit_code,
                "accepted": output.exit_code in accept,
                "problem": self.mask(output.problem),
                "stdout": self._stream(output.stdout),
                "stderr": self._stream(output.stderr),
            }
        )
        told = ended.model_dump(
            mode="json", include={"ended", "exit_code", "accepted", "problem", "stdout", "stderr"}
        )
        self.journal.append("command_ended", **place, **told)
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
