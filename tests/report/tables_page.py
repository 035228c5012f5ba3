"""`docs/tables.md`, made from the columns: `python -m tests.report.tables_page` writes it anew."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet

from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.report.columns import TABLES
from runbook_lib.report.table_files import write_parquet
from runbook_lib.report.tables import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DOCUMENT", "page"]

DOCUMENT = Path(__file__).parents[2] / "docs" / "tables.md"
MARK = "<!-- From here on made by `python -m tests.report.tables_page`. -->"
_ROWS = {"runs": "run", "steps": "run, step and host", "commands": "command", "checks": "check"}


def page() -> str:
    """Return the page: what a person wrote, then the tables as they are."""
    written = DOCUMENT.read_text(encoding="utf-8").partition(MARK)[0]
    return "\n".join([written.rstrip("\n"), "", MARK, "", *_made(), ""])


def _made() -> Iterator[str]:
    yield f"Schema version **{SCHEMA_VERSION}**."
    with tempfile.TemporaryDirectory() as place:
        for path in write_parquet(tables([]), Path(place)):
            stored = pyarrow.parquet.read_schema(path)
            name = path.stem
            yield from ("", f"## `{name}`: one row a {_ROWS[name]}", "")
            yield "| column | pandas | Parquet | may be missing | meaning |"
            yield "|---|---|---|---|---|"
            for column in TABLES[name]:
                kind = str(stored.field(column.name).type)
                missing = "yes" if column.may_be_missing else ""
                yield f"| `{column.name}` | {column.dtype} | {kind} | {missing} | {column.meaning} |"


if __name__ == "__main__":
    DOCUMENT.write_text(page(), encoding="utf-8")
