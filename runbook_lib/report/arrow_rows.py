"""Rows of the four tables, read from runs as JSON and turned into Arrow tables batch by batch.

Everything here follows from `columns.TABLES`: no column is named.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.report.columns import ROWS, TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runbook_lib.model.records import RunRecord
    from runbook_lib.report.columns import Column

__all__ = ["FILE", "SCHEMAS", "Rows", "encodable", "values_for"]

Payload = dict[str, Any]
Cells = tuple[Any, ...]

FILE = "file"
"""The column by which a row in an archive's cache refers to the file it was read from."""
SCHEMAS = {
    name: pa.schema(
        [pa.field(FILE, pa.int64()), *(pa.field(column.name, column.type.arrow) for column in columns)],
        metadata={"schema_version": str(SCHEMA_VERSION)},
    )
    for name, columns in TABLES.items()
}
"""Table name -> its Arrow schema."""


class Rows:
    """Rows of the four tables, read from any number of files."""

    def __init__(self) -> None:
        self._cells: dict[str, list[Cells]] = {name: [] for name in TABLES}

    def extend(self, other: Rows) -> None:
        """Append the rows of another."""
        for name, rows in other._cells.items():
            self._cells[name] += rows

    def add(self, run: Payload, file: int = 0) -> None:
        """Add a run with its steps, commands and checks.

        Args:
            run: A `RunRecord` as JSON.
            file: The number of the file it was read from.

        Raises:
            LookupError: Something is missing.
            TypeError: Something is of a wrong type.
            ValueError: A time is not a time.
        """
        context: Payload = {"run": run}
        self._add("runs", file, context)
        for step in run["steps"]:
            context["step"] = step
            for host in step["hosts"]:
                context["host"] = host
                self._add("steps", file, context)
                for position, command in enumerate(host["commands"], start=1):
                    context["position"], context["command"] = position, command
                    self._add("commands", file, context)
                for position, check in enumerate(host["checks"], start=1):
                    context["position"], context["check"] = position, check
                    self._add("checks", file, context)

    def add_record(self, record: RunRecord, file: int = 0) -> None:
        """Add a run's record, as `add` does."""
        self.add(encodable(record.model_dump(mode="json")), file)

    def tables(self) -> dict[str, pa.Table]:
        """Return the Arrow tables.

        Raises:
            pyarrow.ArrowException: A value is not of its column's type.
            TypeError: As above, or a value is nested too deeply.
        """
        return {name: _table(name, rows) for name, rows in self._cells.items()}

    def _add(self, table: str, file: int, context: Payload) -> None:
        cells = [file]
        for read in _READERS[table].parts:
            cells += read(context)
        self._cells[table].append(tuple(cells))


def values_for(record: str, table: str, row: Mapping[str, Any]) -> Payload:
    """Return the values of a record that a row of a table holds, nested as in the record.

    Args:
        record: `run`, `step`, `host`, `command` or `check`.
        table: The table's name.
        row: Column name -> cell.
    """
    values: Payload = {}
    for name, path, decode in _FIELDS[record, table]:
        cell = row[name]
        inner = values
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = cell if decode is None else decode(cell)
    return values


def encodable(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Replace surrogates, which JSON can hold and UTF-8 cannot, with question marks."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {encodable(key): encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [encodable(item) for item in value]
    return value


class _Reader(NamedTuple):
    """How the cells of a row are read.

    Args:
        names: The columns, in the order in which they are read.
        parts: Each reads some of them at once.
    """

    names: list[str]
    parts: list[Callable[[Payload], Sequence[Any]]]


def _reader(columns: Sequence[Column], record: str) -> _Reader:
    """Make the reader of a table: values that are stored together are read together, since there may be millions."""
    together: dict[tuple[str, ...], list[Column]] = {}
    names: list[str] = []
    parts: list[Callable[[Payload], Sequence[Any]]] = []
    for column in columns:
        if isinstance(column.source, str):
            place = tuple(column.source.split(".")[:-1])
            together.setdefault(place, []).append(column)
        else:
            names.append(column.name)
            parts.append(_computed(record, column.source))
    for place, group in together.items():
        names += [column.name for column in group]
        parts.append(_stored(place, [str(column.source).rpartition(".")[2] for column in group]))
    return _Reader(names, parts)


def _stored(place: tuple[str, ...], keys: list[str]) -> Callable[[Payload], Sequence[Any]]:
    read = itemgetter(*keys)
    if len(keys) == 1:
        return lambda context: (read(_inner(context, place)),)
    return lambda context: read(_inner(context, place))


def _inner(payload: Any, place: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    for key in place:
        payload = payload[key]
    return payload


def _computed(record: str, compute: Callable[[Payload], Any]) -> Callable[[Payload], Sequence[Any]]:
    return lambda context: (compute(context[record]),)


def _fields(
    record: str, columns: Sequence[Column]
) -> list[tuple[str, list[str], Callable[[Any], Any] | None]]:
    """Return name, path in the record and decoder of the columns that hold values of a record."""
    found = []
    for column in columns:
        if isinstance(column.source, str):
            first, *path = column.source.split(".")
            if first == record:
                found.append((column.name, path, column.type.decode))
    return found


_READERS = {name: _reader(columns, ROWS[name]) for name, columns in TABLES.items()}
_FIELDS = {
    (record, name): _fields(record, columns)
    for name, columns in TABLES.items()
    for record in ("run", "step", "host", "command", "check")
}


def _table(name: str, rows: list[Cells]) -> pa.Table:
    order = [FILE, *_READERS[name].names]
    cells = dict(zip(order, zip(*rows, strict=True) if rows else [()] * len(order), strict=True))
    schema = SCHEMAS[name]
    arrays = [pa.array(cells[FILE], pa.int64())]
    arrays += [_array(cells[column.name], column) for column in TABLES[name]]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(cells: Cells, column: Column) -> pa.Array:
    encode, kind = column.type.encode, column.type.arrow
    if encode is not None:
        cells = tuple(map(encode, cells))
    if pa.types.is_timestamp(kind):
        return pa.array(cells, pa.string()).cast(kind)
    return pa.array(cells, kind)
