"""The order in which runs have started."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.evidence.regular_file import read_first_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["in_order_of_start"]

_SECOND = len("20260101T000000Z")  # with which a run's name begins


def in_order_of_start(runs: Iterable[Path]) -> list[Path]:
    """Return run directories in the order in which their runs have started.

    Their names say so, except of runs that have started in the same second: of these the journals are asked.

    Args:
        runs: Run directories; they need not be readable.
    """
    found = [*runs]
    starts = Counter(run.name[:_SECOND] for run in found)
    return sorted(found, key=lambda run: (run.name[:_SECOND], _started(run, starts), run.name))


def _started(run: Path, starts: Counter[str]) -> datetime:
    """Return when a run has started by its journal, if its name does not distinguish it from another."""
    unknown = datetime.min.replace(tzinfo=UTC)
    if starts[run.name[:_SECOND]] == 1:
        return unknown
    try:
        (entry,) = read_lines(read_first_line(run / JOURNAL)).entries
        started = datetime.fromisoformat(entry["started"])
    except (EvidenceError, ValueError, TypeError, KeyError):  # no journal yet, or anything in its place
        return unknown
    return started if started.tzinfo else unknown
