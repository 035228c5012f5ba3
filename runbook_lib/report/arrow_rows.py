"""Rows of the four tables, read from runs as JSON and turned into Arrow tables batch by batch.

Everything here follows from `table_columns.TABLES`: no column is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.report.table_columns import POSITION, ROWS, TABLES, FromColumns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from runbook_lib.model.records import RunRecord
    from runbook_lib.report.table_columns import Column

__all__ = ["FILE", "SCHEMAS", "Rows", "encodable", "values_for"]

Payload = dict[str, Any]

FILE = "file"
"""The column by which a row in an archive's cache refers to the file it was read from."""
_PARENTS = (FILE, "run", "step", "host")
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

    def add(self, run: Payload, file: int = 0) -> None:
        """Add a run with its steps, commands and checks, as `add_all` does.

        Args:
            run: A `RunRecord` as JSON.
            file: The number of the file it was read from.
        """
        self.add_all([(file, run)])

    def add_all(self, runs: Sequence[tuple[int, Payload]]) -> None:
        """Add some runs with their steps, commands and checks; if that raises, nothing was added.

        A column of the rows of several runs takes little longer to read than that of one run's few rows.

        Args:
            runs: For each run the number of the file it was read from, and its `RunRecord` as JSON.

        Raises:
            LookupError: Something is missing.
            TypeError: Something is of a wrong type.
            ValueError: A time is not a time.
        """
        hosts: list[_Parents] = [
            (file, run, step, host) for file, run in runs for step in run["steps"] for host in step["hosts"]
        ]
        found = {
            "runs": _Records([run for _, run in runs], [(file,) for file, _ in runs]),
            "steps": _Records([host for *_, host in hosts], hosts),
            "commands": _Records.of_hosts("commands", hosts),
            "checks": _Records.of_hosts("checks", hosts),
        }
        read = [(name, _read(_READERS[name], records)) for name, records in found.items()]
        for name, columns in read:
            for column, cells in columns.items():
                self._cells[name][column] += cells

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
        numbered: Whether there is a column with the position among the records of the same parents.
    """

    parents: list[tuple[str, int, str]]
    groups: list[tuple[list[str], Callable[[Payload], Sequence[Any]]]]
    computed: list[tuple[str, Callable[[Payload], Any]]]
    encoders: dict[str, Callable[[Any], Any]]
    numbered: bool


def _reader(columns: Sequence[Column], record: str) -> _Reader:
    encoders = {column.name: column.type.encode for column in columns if column.type.encode}
    numbered = any(column.source == POSITION for column in columns)
    reader = _Reader([], [], [], encoders, numbered)
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


_Parents = tuple[Any, ...]
"""What a record belongs to: the number of its file, its run, its step and its host, as far as it has them."""


@dataclass(frozen=True)
class _Records:
    """The records of some runs that the rows of a table are about.

    Args:
        records: The records.
        parents: Their parents: each with as many records, one after another, as `counts` says.
        counts: One number for each of the parents; None: one record for each.
    """

    records: list[Payload]
    parents: list[_Parents]
    counts: list[int] | None = None

    @classmethod
    def of_hosts(cls, name: str, hosts: list[_Parents]) -> _Records:
        """Return the records that each host has a list of."""
        lists: list[list[Payload]] = [host[name] for *_, host in hosts]
        return cls(list(chain.from_iterable(lists)), hosts, list(map(len, lists)))

    def for_each(self, values: list[Any]) -> list[Any]:
        """Return a value for each record, given one for each of the parents."""
        return values if self.counts is None else list(chain.from_iterable(map(repeat, values, self.counts)))

    def positions(self) -> Iterable[int]:
        """Return the position of each record among those of the same parents, from 1."""
        return chain.from_iterable(range(1, count + 1) for count in self.counts or ())


def _read(reader: _Reader, found: _Records) -> dict[str, Iterable[Any]]:
    """Return the cells of each column; without records some columns have none."""
    columns: dict[str, Iterable[Any]] = {FILE: found.for_each([file for file, *_ in found.parents])}
    if reader.numbered:
        columns[POSITION] = found.positions()
    for name, number, key in reader.parents:
        columns[name] = found.for_each([parents[number][key] for parents in found.parents])
    for names, read in reader.groups:
        columns.update(zip(names, zip(*map(read, found.records), strict=True), strict=False))
    for name, compute in reader.computed:
        columns[name] = list(map(compute, found.records))
    for name, encode in reader.encoders.items():
        columns[name] = list(map(encode, columns.get(name, ())))
    return columns


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
