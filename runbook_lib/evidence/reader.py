"""Make a run's record from its journal."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.journal_view import JournalView
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.evidence.regular_file import read
from runbook_lib.evidence.uninterpretable import in_one_line
from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord, StepRecord

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.evidence.chain import JournalLines
    from runbook_lib.evidence.journal_view import HostEntries, StepEntries

__all__ = ["NO_HOST_END", "build_record", "read_journal"]

NO_HOST_END = "no end of this step was recorded"
"""The message of a step on a host that ended before its end could be written to the journal."""


def read_journal(path: Path) -> RunRecord:
    """Return the record of the run that a journal belongs to.

    Args:
        path: The journal, or its run directory.

    Returns:
        Status `unknown` unless the journal is valid and its last line is the end of the run.

    Raises:
        EvidenceError: The journal is missing, or not even its first line can be read.
    """
    file = path / JOURNAL if path.is_dir() else path
    try:
        data = read(file)
    except EvidenceError as problem:
        raise EvidenceError(problem.message, where=str(file), hint="name a run directory") from problem
    try:
        return _record_of_bytes(data)
    except EvidenceError as problem:
        raise EvidenceError(problem.message, where=str(file)) from problem


@functools.lru_cache(maxsize=1)
def _record_of_bytes(data: bytes) -> RunRecord:
    """Return the record of a journal's bytes; at a run's end several callers ask for the same one in a row."""
    return build_record(read_lines(data))


def build_record(lines: JournalLines) -> RunRecord:
    """Return the record of the run that a journal's valid lines describe.

    Raises:
        EvidenceError: The lines do not begin with the start of a run, or a value is not of its field's type.
    """
    if not lines.entries or lines.entries[0].get("event") != "run_started":
        why = lines.problem or "the first line is not the start of a run"
        raise EvidenceError(f"not a runbook journal: {why}")
    view = JournalView.of(lines)
    start = {key: value for key, value in view.started.items() if key in RunRecord.model_fields}
    ended = view.ended or {}
    try:
        return RunRecord.model_validate(
            {
                **start,
                "status": view.status,
                "ended": ended["ended"] if ended else None,
                "message": ended.get("message", ""),
                "steps": [_step(number, step) for number, step in sorted(view.steps.items())],
                "incomplete": view.incomplete,
                "exposed_secrets": str(view.exposed),
            }
        )
    except (ArithmeticError, ValueError, LookupError, TypeError, AttributeError) as problem:
        raise EvidenceError(
            f"contains an entry that cannot be interpreted: {in_one_line(problem)}"
        ) from problem


def _step(number: int, step: StepEntries) -> StepRecord:
    return StepRecord(
        number=number,
        title=step.started["title"],
        kind=step.started["kind"],
        started=step.started["started"],
        ended=step.ended["ended"] if step.ended else None,
        hosts=[_host(name, host) for name, host in step.hosts.items()],
    )


def _host(name: str, host: HostEntries) -> HostRecord:
    commands = [
        CommandRecord.model_validate(
            {key: value for key, value in entry.items() if key in CommandRecord.model_fields}
        )
        for _, entry in sorted(host.commands.items())
    ]
    if host.ended is None:
        return HostRecord(host=name, address="", kind="", message=NO_HOST_END, commands=commands)
    values = {key: value for key, value in host.ended.items() if key in HostRecord.model_fields}
    planned = [CommandRecord.model_validate(command) for command in host.ended.get("planned", [])]
    return HostRecord.model_validate(
        {**values, "kind": host.ended["host_kind"], "commands": [*commands, *planned]}
    )
