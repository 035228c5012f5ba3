"""The table of drills in docs/drills.md: `python -m tests.books.docker.drills_page` writes it."""

from __future__ import annotations

from pathlib import Path

from runbook_lib.books.docker.causes import REPAIRS
from runbook_lib.books.docker.faults import HOST_FAULTS
from runbook_lib.lab.faults import Faults

__all__ = ["CAUSES", "PAGE", "table"]

PAGE = Path(__file__).parents[3] / "docs" / "drills.md"
BEGIN, END = "<!-- drills: begin -->", "<!-- drills: end -->"
CAUSES = {
    "cable": "cause.peers",
    "unplug": "cause.peers",
    "power": "cause.peers",
    "docker-down": "cause.engine",
    **{name: fault.cause for name, fault in HOST_FAULTS.items()},
}
"""Fault -> id of the check that is the first one not to hold."""


def table() -> str:
    """Return the table as Markdown."""
    rows = [
        f"| `{name}` | {breaks} | `{CAUSES[name.partition(':')[0]]}` | {REPAIRS[CAUSES[name.partition(':')[0]]]} |"
        for name, breaks in Faults.summaries().items()
    ]
    head = ["| fault | what is broken | first check that fails | what repairs it |", "|---|---|---|---|"]
    return "\n".join([BEGIN, *head, *rows, END])


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{table()}{rest.partition(END)[2]}", encoding="utf-8")
