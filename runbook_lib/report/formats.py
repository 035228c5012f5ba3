"""The report formats: one file, or a directory of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.report.html import page
from runbook_lib.report.junit import junit
from runbook_lib.report.markdown import markdown
from runbook_lib.report.table_files import write_csv, write_parquet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runbook_lib.model.records import RunRecord
    from runbook_lib.report.tables import Tables

__all__ = ["PAGES", "TABLES"]

PAGES: dict[str, tuple[str, Callable[[list[RunRecord], str], bytes]]] = {
    "html": ("report.html", lambda runs, title: page(runs, title).encode()),
    "junit": ("junit.xml", lambda runs, _: junit(runs)),
    "markdown": ("report.md", lambda runs, title: markdown(runs, title).encode()),
}
TABLES: dict[str, Callable[[Tables, Path], list[Path]]] = {"csv": write_csv, "parquet": write_parquet}
