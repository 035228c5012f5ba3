"""Rows of the four tables, read from runs as JSON and turned into Arrow tables batch by batch.

Everything here follows from `columns.TABLES`: no column is named.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.report.columns import POSITION, ROWS, TABLES, FromColumns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runbook_lib.model.records import RunRecord
    from runbook_lib.report.columns import Column

__all__ = ["FILE", "SCHEMAS", "Rows", "encodable", "values_for"]

Payload = dict[str, Any]

FILE = "file"
"""The column by which a row in an archive's cache refers to the file it was read from."""
_PARENTS = ("run", "step", "host")
SCHEMAS = {
    name: pa.schema(
        [pa.field(FILE, pa.int64()), *(pa.field(column.name, column.type.arrow) for column in columns)],
        metadata={"schema_version": str(SCHEMA_VERSION)},
    )
    for name, columns in TABLES.items()
}
"""Table name -> its Arrow schema."""


class Rows:
    """Rows of the four tables, read from any number of files, column by column."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[str, list[Any]]] = {
            name: {column: [] for column in schema.names} for name, schema in SCHEMAS.items()
        }

    def extend(self, other: Rows) -> None:
        """Append the rows of another."""
        for table, columns in other._cells.items():
            for name, cells in columns.items():
                self._cells[table][name] += cells

    def add(self, run: Payload, file: int = 0) -> None:
        """Add a run with its steps, commands and checks.

        Args:
            run: A `RunRecord` as JSON.
            file: The number of the file it was read from.

        Raises:
            LookupError: Something is missing; rows are then left half filled.
            TypeError: Something is of a wrong type; as above.
            ValueError: A time is not a time; as above.
        """
        runs, steps, commands, checks = (_Records() for _ in TABLES)
        runs.add([run], ())
        for step in run["steps"]:
            for host in step["hosts"]:
                parents = (run, step, host)
                steps.add([host], parents)
                commands.add(host["commands"], parents)
                checks.add(host["checks"], parents)
        for name, records in zip(TABLES, (runs, steps, commands, checks), strict=True):
            _read(_READERS[name], records, file, self._cells[name])

    def add_record(self, record: RunRecord, file: int = 0) -> None:
        """Add a run's record, as `add` does."""
        self.add(encodable(record.model_dump(mode="json")), file)

    def tables(self) -> dict[str, pa.Table]:
        """Return the Arrow tables.

        Raises:
            pyarrow.ArrowException: A value is not of its column's type.
            TypeError: As above, or a value is nested too deeply.
        """
        return {name: _table(name, columns) for name, columns in self._cells.items()}


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
    """How the cells of a table are read from the records that its rows are about: many at once, since there are many.

    Args:
        parents: The columns that show what the record belongs to: name, number of the parent, and which of its keys.
        groups: Names of columns, and a function that reads their values, which the record stores together.
        computed: Names of columns, and a function that computes the value from the record.
        encoders: Functions that make the cells of columns from such values.
    """

    parents: list[tuple[str, int, str]]
    groups: list[tuple[list[str], Callable[[Payload], Sequence[Any]]]]
    computed: list[tuple[str, Callable[[Payload], Any]]]
    encoders: dict[str, Callable[[Any], Any]]


def _reader(columns: Sequence[Column], record: str) -> _Reader:
    encoders = {column.name: column.type.encode for column in columns if column.type.encode}
    reader = _Reader([], [], [], encoders)
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    for column in columns:
        if callable(column.source):
            reader.computed.append((column.name, column.source))
        elif isinstance(column.source, str) and column.source != POSITION:
            first, *inner, key = column.source.split(".")
            if first == record:
                groups.setdefault(tuple(inner), {})[column.name] = key
            else:
                reader.parents.append((column.name, _PARENTS.index(first), key))
    reader.groups.extend((list(keys), _group(inner, list(keys.values()))) for inner, keys in groups.items())
    return reader


def _group(inner: tuple[str, ...], keys: list[str]) -> Callable[[Payload], Sequence[Any]]:
    """Return a function that reads some keys of a record, or of what it has under the keys `inner`."""
    if not inner:
        read = itemgetter(*keys)
        return read if len(keys) > 1 else lambda record: (read(record),)
    outer, *rest = inner
    below = _group(tuple(rest), keys)
    return lambda record: below(record[outer])


class _Records:
    """The records of one run that the rows of a table are about, each with its parents and its position."""

    def __init__(self) -> None:
        self.records: list[Payload] = []
        self.parents: list[tuple[Payload, ...]] = []
        self.positions: list[int] = []

    def add(self, records: list[Payload], parents: tuple[Payload, ...]) -> None:
        """Add records of the same parents."""
        self.records += records
        self.parents += [parents] * len(records)
        self.positions += range(1, len(records) + 1)


def _read(reader: _Reader, found: _Records, file: int, columns: dict[str, list[Any]]) -> None:
    """Append the cells of each column."""
    columns[FILE] += [file] * len(found.records)
    if POSITION in columns:
        columns[POSITION] += found.positions
    for name, number, key in reader.parents:
        columns[name] += [parents[number][key] for parents in found.parents]
    for names, read in reader.groups:
        for name, cells in zip(names, zip(*map(read, found.records), strict=True), strict=False):
            encode = reader.encoders.get(name)
            columns[name] += map(encode, cells) if encode else cells
    for name, compute in reader.computed:
        columns[name] += map(compute, found.records)


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


def _table(name: str, cells: dict[str, list[Any]]) -> pa.Table:
    columns = {FILE: pa.array(cells[FILE], pa.int64())}
    for column in TABLES[name]:
        if not isinstance(column.source, FromColumns):
            columns[column.name] = _array(cells[column.name], column)
    columns |= {
        column.name: column.source.compute(columns)
        for column in TABLES[name]
        if isinstance(column.source, FromColumns)
    }
    return pa.Table.from_arrays([columns[field] for field in SCHEMAS[name].names], schema=SCHEMAS[name])


def _array(cells: list[Any], column: Column) -> pa.Array:
    kind = column.type.arrow
    if pa.types.is_timestamp(kind):
        return pa.array(cells, pa.string()).cast(kind)
    return pa.array(cells, kind)
