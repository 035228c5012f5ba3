"""The tables as files: a directory with one CSV or Parquet file per table."""

from __future__ import annotations

from io import BytesIO, StringIO
from typing import TYPE_CHECKING

import pyarrow as pa

from runbook_lib.evidence.layout import CSV, PARQUET
from runbook_lib.printing.utf8 import utf8_bytes
from runbook_lib.report.data_frames import tables
from runbook_lib.report.formats import ReportFormat
from runbook_lib.report.report_file import make_directory, write_file
from runbook_lib.report.table_columns import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from runbook_lib.model.records import RunRecord
    from runbook_lib.report.data_frames import Tables

__all__ = ["CsvFormat", "ParquetFormat", "write_csv", "write_parquet"]


class CsvFormat(ReportFormat):
    """`--format csv`."""

    default_name = CSV

    def write(self, records: list[RunRecord], title: str, target: Path) -> list[Path]:  # noqa: ARG002 - tables have no heading
        """Write the tables of the runs; see `write_csv`."""
        return write_csv(tables(records), target)


class ParquetFormat(ReportFormat):
    """`--format parquet`."""

    default_name = PARQUET

    def write(self, records: list[RunRecord], title: str, target: Path) -> list[Path]:  # noqa: ARG002 - as above
        """Write the tables of the runs; see `write_parquet`."""
        return write_parquet(tables(records), target)


def write_csv(made: Tables, directory: Path) -> list[Path]:
    """Write `runs.csv`, `steps.csv`, `commands.csv` and `checks.csv`; return the files.

    Times are ISO 8601 with their offset; a missing value is an empty field. Text is as it was recorded: a
    spreadsheet may take text that begins with `=` for a formula, so import such columns as text.

    Args:
        made: The tables.
        directory: Where to write; created if it does not exist.

    Raises:
        EvidenceError: The files cannot be written.
    """
    return [_write(directory / f"{name}.csv", _csv(frame)) for name, frame in made.by_name().items()]


def write_parquet(made: Tables, directory: Path) -> list[Path]:
    """Write one Parquet file per table, with the types of its columns and the schema version; return the files.

    Args:
        made: The tables.
        directory: Where to write; created if it does not exist.

    Raises:
        EvidenceError: The files cannot be written.
    """
    return [
        _write(directory / f"{name}.parquet", _parquet(name, frame)) for name, frame in made.by_name().items()
    ]


def _csv(frame: pd.DataFrame) -> bytes:
    lines = _Lines()
    # A field is quoted if it has a character of the line's end: readers take a carriage return for one, too.
    frame.to_csv(lines, index=False, lineterminator="\r\n", date_format="%Y-%m-%dT%H:%M:%S.%f%z")
    return utf8_bytes(lines.getvalue())


class _Lines(StringIO):
    """The lines of a CSV file, each of which is written at once, with a newline at their ends."""

    def write(self, text: str, /) -> int:
        """Write a line."""
        return super().write(f"{text[:-2]}\n" if text.endswith("\r\n") else text)


def _parquet(name: str, frame: pd.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.to_parquet(buffer, engine="pyarrow", index=False, schema=_schema(name))
    return buffer.getvalue()


def _schema(name: str) -> pa.Schema:
    """Return the documented types of a table's file; without them, each version of pandas chooses its own for text."""
    types = ((column.name, column.type.arrow) for column in TABLES[name])
    return pa.schema(
        [pa.field(name, pa.large_string() if kind == pa.string() else kind) for name, kind in types]
    )


def _write(path: Path, data: bytes) -> Path:
    make_directory(path.parent)
    write_file(path, data)
    return path
