"""Four tidy tables made from the records of any number of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.report.arrow_rows import Rows
from runbook_lib.report.table_columns import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    import pyarrow as pa

    from runbook_lib.model.records import RunRecord

__all__ = ["Tables", "data_frame", "tables"]


@dataclass(frozen=True)
class Tables:
    """The four tables; `report.table_columns` lists their columns.

    Args:
        runs: One row per run.
        steps: One row per run, step and host.
        commands: One row per command, planned ones included (column `sent`).
        checks: One row per check.
    """

    runs: pd.DataFrame
    steps: pd.DataFrame
    commands: pd.DataFrame
    checks: pd.DataFrame
    schema_version: int = SCHEMA_VERSION

    def by_name(self) -> dict[str, pd.DataFrame]:
        """Return name -> table, in the order of `table_columns.TABLES`."""
        return {name: getattr(self, name) for name in TABLES}


def tables(records: Iterable[RunRecord]) -> Tables:
    """Make the tables of some runs.

    Args:
        records: Any number; without any, the tables are empty and have all columns and types.

    Returns:
        Times as UTC datetimes, durations in seconds.
    """
    rows = Rows()
    for record in records:
        rows.add_record(record)
    frames = {name: data_frame(name, table) for name, table in rows.tables().items()}
    return Tables(frames["runs"], frames["steps"], frames["commands"], frames["checks"])


def data_frame(name: str, table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table's columns as a DataFrame with pandas' types.

    Args:
        name: Which of the four tables it is.
        table: With at least that table's columns.
    """
    types: dict[str, Any] = {column.name: column.dtype for column in TABLES[name]}
    frame: pd.DataFrame = table.select(list(types)).to_pandas().astype(types)
    frame.attrs["schema_version"] = SCHEMA_VERSION
    return frame
