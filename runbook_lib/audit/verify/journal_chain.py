"""Say what is wrong with a journal whose hash chain is broken, and where."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runbook_lib.audit.verify.verdict import Finding, Kind
from runbook_lib.evidence.chain import chain, is_sealed
from runbook_lib.evidence.reader import read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Entry", "clocks", "follow"]

Entry = dict[str, Any]


def follow(data: bytes) -> tuple[list[Entry], list[Finding]]:
    """Return a journal's sound entries, and what is wrong with the first line that is not sound."""
    lines = read_lines(data)
    if not lines.problem:
        return lines.entries, []
    return lines.entries, [_located(data, len(lines.entries), lines.problem)]


def clocks(entries: list[Entry]) -> Iterator[Finding]:
    """Yield a warning for each line that is older than the line before it."""
    before = ""
    for number, entry in enumerate(entries, start=1):
        time = entry.get("time")
        if not isinstance(time, str):
            yield _finding(Kind.ALTERED, number, "the line has no time")
            return
        # All are ISO 8601 in UTC, of one writer: they sort as text.
        if time < before:
            yield _finding(
                Kind.WARNING, number, f"the machine's clock went backwards here, from {before} to {time}"
            )
        before = time


def _located(data: bytes, sound: int, problem: str) -> Finding:
    number = sound + 1
    if problem.endswith("is cut off"):
        return _finding(Kind.MISSING, number, f"{problem}: what follows is missing")
    pieces = data.split(b"\n")
    told = _number(pieces[sound])
    if told is not None and told > number:
        lines = f"line {number} was" if told == number + 1 else f"lines {number} to {told - 1} were"
        return _finding(
            Kind.ALTERED, number, f"{problem}: {lines} removed, or moved; here stands line {told}"
        )
    if told is not None and told < number:
        return _finding(Kind.ALTERED, number, f"{problem}: here stands line {told} again")
    if told == number and sound and is_sealed(pieces[sound]):
        # Its own seal holds and it is not what this line refers to: the line before was sealed anew.
        before = chain(pieces[sound - 1])
        return _finding(
            Kind.ALTERED,
            number,
            f"{problem}: line {sound} is not the one it was written after (its hash now is {before[:12]}…)",
        )
    return _finding(Kind.ALTERED, number, problem)


def _number(line: bytes) -> int | None:
    """Return the number that a line whose own seal holds gives itself."""
    try:
        told = json.loads(line).get("n") if is_sealed(line) else None
    except (ValueError, AttributeError, RecursionError):
        return None
    return told if isinstance(told, int) else None


def _finding(kind: Kind, number: int, message: str) -> Finding:
    return Finding(kind=kind, part="journal", where=f"journal.jsonl line {number}", message=message)
