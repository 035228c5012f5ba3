"""Say what is wrong with a journal whose hash chain is broken, and at which line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runbook_lib.evidence.chain import chain, is_sealed
from runbook_lib.evidence.layout import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.audit.verify.findings import Findings
    from runbook_lib.evidence.chain import JournalEntry, JournalLines

__all__ = ["check_clock", "explain_break"]


def explain_break(data: bytes, lines: JournalLines, findings: Findings) -> None:
    """Add what is wrong with the first line that breaks the chain: missing, moved, duplicated, altered or cut off.

    Args:
        data: The journal.
        lines: What `read_lines` made of it, with a problem.
        findings: Where to add it.
    """
    sound, number = len(lines.entries), len(lines.entries) + 1
    where = f"{JOURNAL} line {number}"
    if lines.cut_off:
        findings.missing(f"{lines.problem}: the rest is missing", where=where)
        return
    pieces = data.split(b"\n")
    own = _own_number(pieces[sound])
    if own is not None and own > number:
        gap = f"line {number}" if own == number + 1 else f"lines {number} to {own - 1}"
        findings.altered(f"{lines.problem}: {gap} missing or moved; line {own} found instead", where=where)
    elif own is not None and own < number:
        findings.altered(f"{lines.problem}: line {own} duplicated or moved", where=where)
    elif own == number and sound and is_sealed(pieces[sound]):
        # The line's own seal is valid, and it refers to another line before it: that one has a new seal.
        before = chain(pieces[sound - 1])
        why = f"line {sound} was replaced later (its hash now is {before[:12]}…)"
        findings.altered(f"{lines.problem}: {why}", where=where)
    else:
        findings.altered(lines.problem, where=where)


def check_clock(entries: Sequence[JournalEntry], findings: Findings) -> None:
    """Warn of each line that is older than the line before it."""
    before = ""
    for number, entry in enumerate(entries, start=1):
        time = entry.get("time")
        if not isinstance(time, str):
            findings.altered("the line has no time", where=f"{JOURNAL} line {number}")
            return
        # All times are ISO 8601 in UTC, by one writer: they sort as text.
        if time < before:
            message = f"the machine's clock went backwards, from {before} to {time}"
            findings.warning(message, where=f"{JOURNAL} line {number}")
        before = time


def _own_number(line: bytes) -> int | None:
    """Return the number in a line whose own seal is valid."""
    try:
        number = json.loads(line).get("n") if is_sealed(line) else None
    except (ValueError, AttributeError, RecursionError):
        return None
    return number if isinstance(number, int) else None
