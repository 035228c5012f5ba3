"""The table of `docs/lab.md` of what passed on which Docker engine: `make test-engines` writes it."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path

from tests.generated_page import page_of

__all__ = ["Row", "note"]

DOCUMENT = Path(__file__).parents[3] / "docs" / "lab.md"
MARK = "<!-- The table below is written by `make test-engines`. -->"
_HEAD = ["| engine | host | what passed | when |", "|---|---|---|---|"]
_WRITE = "RUNBOOK_WRITE_TABLES"


@dataclass(frozen=True)
class Row:
    """What passed on one engine.

    Args:
        engine: Its version, and how it was configured.
        host: Release, kernel, cgroup version.
        passed: The runbooks, and how.
    """

    engine: str
    host: str
    passed: str

    @property
    def line(self) -> str:
        """The row of the table, dated today."""
        today = dt.datetime.now(dt.UTC).date()
        return f"| {self.engine} | {self.host} | {self.passed} | {today} |"


def note(row: Row) -> None:
    """Put a row into the page in place of the one for the same engine, if `$RUNBOOK_WRITE_TABLES` is set."""
    if not os.environ.get(_WRITE):
        return
    table = DOCUMENT.read_text(encoding="utf-8").partition(MARK)[2]
    rows = [line for line in table.splitlines() if line.startswith("| Docker ")]
    others = [line for line in rows if not line.startswith(f"| {row.engine} |")]
    DOCUMENT.write_text(page_of(DOCUMENT, MARK, [*_HEAD, *sorted([*others, row.line])]), encoding="utf-8")
