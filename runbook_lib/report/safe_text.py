"""Records as text that is safe to show: what a host printed is data, never markup and never invisible."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.model.plans import Change
    from runbook_lib.model.records import CommandRecord, StreamRecord

__all__ = ["exit_summary", "stream", "unified"]


def stream(record: StreamRecord) -> str:
    """Return an output as text: the whole output, or its head and tail and the file that has the rest."""
    if record.complete:
        return record.head
    shortened = f"… shortened: all {record.size} bytes are in output/{record.sha256} …"
    return f"{record.head}\n\n{shortened}\n\n{record.tail}"


def exit_summary(command: CommandRecord) -> str:
    """Return how a command exited, in a few words."""
    if command.number == 0:
        return "planned, not sent"
    if command.exit_code is None:
        return f"no exit code: {command.problem or 'its end was not recorded'}"
    return f"exit {command.exit_code}" + ("" if command.accepted else ", not accepted")


def unified(change: Change) -> Iterator[tuple[str, str]]:
    """Yield a change's lines as a unified diff.

    Yields:
        The kind of line (`added`, `removed`, `place` or `same`) and the line with its sign.
    """
    before = change.before.splitlines() if change.before is not None else []
    after = change.after.splitlines() if change.after is not None else []
    lines = difflib.unified_diff(
        before,
        after,
        "before" if change.before is not None else "before: did not exist",
        "after" if change.after is not None else "after: removed",
        lineterm="",
    )
    for number, line in enumerate(lines):
        is_name = number < 2  # noqa: PLR2004 - a unified diff begins with two lines of names
        yield "place" if is_name else _KINDS[line[0]], line


_KINDS = {"+": "added", "-": "removed", "@": "place", " ": "same"}
