"""What the runs of a failed test say: `1 != 0` alone leaves the reason open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import RunbookError
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import BAD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.model.records import CommandRecord, RunRecord

__all__ = ["what_runs_say"]

_MOST = 1000  # characters of a stream


def what_runs_say(directory: Path, since: float) -> str:
    """Return the steps that did not end well of each run that wrote its journal since then; "" without one.

    Args:
        directory: Searched for journals, with everything below it.
        since: Seconds of the system's clock.
    """
    lines: list[str] = []
    for journal in sorted(_journals(directory)):
        try:
            if journal.stat().st_mtime < since:
                continue
            record = read_journal(journal.parent)
        except (OSError, ValueError, RunbookError) as problem:  # a test that spoils journals
            lines.append(f"{journal}: {problem}")
        else:
            lines += _of_run(record)
    return "\n".join(lines)


def _journals(directory: Path) -> Iterator[Path]:
    """Yield the journals below a directory; not in what is mounted there, such as the /proc of a test's host."""
    for top, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if not os.path.ismount(f"{top}/{name}")]
        if "journal.jsonl" in files:
            yield Path(top, "journal.jsonl")


def _of_run(record: RunRecord) -> Iterator[str]:
    yield f"{record.run}: {record.status} {record.message}".rstrip()
    for step in record.steps:
        for entry in step.hosts:
            if entry.status in BAD:
                yield f"  step {step.number} {step.title!r} on {entry.host}: {entry.status}: {entry.message}"
                yield from _of_command(entry.commands[-1]) if entry.commands else ()


def _of_command(command: CommandRecord) -> Iterator[str]:
    took = f"{(command.ended - command.started).total_seconds():.1f} s" if command.ended else "no end"
    yield f"    {command.text[:200]}: exit code {command.exit_code}, {took} {command.problem}".rstrip()
    for stream in (command.stdout, command.stderr):
        text = stream.tail or stream.head
        yield from (f"    | {line}" for line in text[-_MOST:].splitlines())
