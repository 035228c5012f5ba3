"""Records of single commands: as a command is about to be sent, and after it has ended; secrets are masked."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runbook_lib.errors import PlanRefused
from runbook_lib.evidence.spooled_output import HEAD, TAIL, SpooledOutputs
from runbook_lib.model.commands import Command, DockerQuery, NetworkQuery, Output
from runbook_lib.model.records import CommandRecord, StreamRecord
from runbook_lib.printing.utf8 import utf8_bytes
from runbook_lib.runbook.steps.host_session_errors import quoted_command

if TYPE_CHECKING:
    from runbook_lib.connections.base import Connection
    from runbook_lib.evidence.output_store import OutputStore
    from runbook_lib.model.kinds import CommandKind
    from runbook_lib.secrets import Secrets

__all__ = ["CommandRecords", "now"]

# Hosts mostly print the same, or nothing: records do not change, so that hosts share them.
_SHORT = 80  # characters
_MOST_SHORT = 1000  # different outputs


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class CommandRecords:
    """Makes the records of a run's commands.

    Args:
        outputs: Stores outputs that are too large for a record.
        secrets: Masks every text that goes into a record.
    """

    def __init__(self, outputs: OutputStore, secrets: Secrets) -> None:
        self._outputs = outputs
        self._secrets = secrets
        self._numbers = itertools.count(1)
        self._short: dict[str, StreamRecord] = {}

    def text(self, connection: Connection, request: Command | DockerQuery | NetworkQuery) -> str:
        """Return the text of a request.

        Raises:
            PlanRefused: The text would show a secret.
        """
        text = connection.render(request) if isinstance(request, Command) else request.text
        if self._secrets.mask(text) != text:
            raise PlanRefused(
                f"{quoted_command(self._secrets.mask(text))} would show a secret to every process on the host",
                where=connection.host.name,
                hint="pass it on standard input, or in a file with mode 0600",
            )
        return text

    def started(
        self,
        connection: Connection,
        request: Command | DockerQuery | NetworkQuery,
        kind: CommandKind,
        attempt: int,
    ) -> CommandRecord:
        """Return the record of a request that is about to be sent.

        Raises:
            PlanRefused: The request's text would show a secret.
        """
        text = self.text(connection, request)
        return CommandRecord(
            number=next(self._numbers),
            kind=kind,
            text=text,
            stdin=self.stdin(request) if isinstance(request, Command) else None,
            purpose=self._secrets.mask(request.purpose) if isinstance(request, Command) else "",
            attempt=attempt,
            started=now(),
        )

    def stdin(self, command: Command) -> str | None:
        """Return what a record shows of a command's standard input; None if it has none."""
        shown = command.stdin if command.stdin_summary is None else command.stdin_summary
        return shown if shown is None else self._secrets.mask(shown)

    def ended(
        self,
        record: CommandRecord,
        request: Command | DockerQuery | NetworkQuery,
        output: Output,
        spooled: SpooledOutputs,
    ) -> CommandRecord:
        """Return the record of a command that has ended."""
        accept = request.accept if isinstance(request, Command) else (0, 1)
        cut_off = output.exit_code is None or bool(output.problem)
        stored = spooled.records(cut_off=cut_off)
        return record.model_copy(
            update={
                "ended": now(),
                "exit_code": output.exit_code,
                "accepted": output.exit_code in accept,
                "problem": self._secrets.mask(output.problem),
                "stdout": stored.get("stdout") or self._stream(output.stdout, cut_off=cut_off),
                "stderr": stored.get("stderr") or self._stream(output.stderr, cut_off=cut_off),
            }
        )

    def _stream(self, raw: str, *, cut_off: bool) -> StreamRecord:
        masked = self._secrets.mask_cut_off(raw) if cut_off else self._secrets.mask(raw)
        if masked in self._short:
            return self._short[masked]
        whole = utf8_bytes(masked)
        complete = len(masked) <= HEAD + TAIL
        record = StreamRecord(
            head=masked if complete else masked[:HEAD],
            tail="" if complete else masked[-TAIL:],
            size=len(whole),
            sha256=self._outputs.digest(whole) if complete else self._outputs.put(whole),
            complete=complete,
        )
        if len(masked) <= _SHORT and len(self._short) < _MOST_SHORT:
            self._short[masked] = record
        return record
