"""The tables as files: a directory with one CSV or Parquet file a table."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from runbook_lib.report.report_file import refusing, write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from runbook_lib.report.tables import Tables

__all__ = ["write_csv", "write_parquet"]


def write_csv(tables: Tables, directory: Path) -> list[Path]:
    """Write `runs.csv`, `steps.csv`, `commands.csv` and `checks.csv`; return the files.

    Times are ISO 8601 with their offset; a missing value is an empty field. Text is as it was
    recorded: a spreadsheet that reads formulas out of CSV must be told not to.

    Raises:
        EvidenceError: They cannot be written.
    """
    return [_put(directory, f"{name}.csv", _csv(frame)) for name, frame in tables.by_name().items()]


def write_parquet(tables: Tables, directory: Path) -> list[Path]:
    """Write one Parquet file a table, with the columns' types and the schema version; return the files.

    Raises:
        EvidenceError: They cannot be written.
    """
    return [_put(directory, f"{name}.parquet", _parquet(frame)) for name, frame in tables.by_name().items()]


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%dT%H:%M:%S.%f%z").encode()


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


def _put(directory: Path, name: str, data: bytes) -> Path:
    path = directory / name
    with refusing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    write_bytes(path, data)
    return path
