"""Rows of the four tables, gathered as tuples and turned into Arrow tables batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.report.columns import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SCHEMAS", "Rows", "as_json"]

Data = dict[str, Any]

FILE = "file"
"""The column by which a row in the cache refers to the file it was read from."""
_DERIVED = frozenset({"duration", "sent"})
_ARROW = {
    "string": pa.string(),
    "int64": pa.int64(),
    "Int64": pa.int64(),
    "bool": pa.bool_(),
    "float64": pa.float64(),
    "datetime64[us, UTC]": pa.timestamp("us", "UTC"),
}
SCHEMAS = {
    name: pa.schema(
        [
            pa.field(FILE, pa.int64()),
            *(pa.field(column.name, _ARROW[column.dtype]) for column in columns),
        ],
        metadata={"schema_version": str(SCHEMA_VERSION)},
    )
    for name, columns in TABLES.items()
}
"""Table name -> its Arrow schema in the cache."""
_FILLED = {
    name: [field for field in schema if field.name not in _DERIVED] for name, schema in SCHEMAS.items()
}


def as_json(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return compact JSON with sorted keys, so that the journal and the notebook of a run give the same text.

    Raises:
        TypeError: The value is nested too deeply, or cannot be written as JSON.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


class Rows:
    """Rows read from any number of files, in the order of the columns that are not derived from others."""

    def __init__(self) -> None:
        self.of: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}

    def add(self, other: Rows) -> None:
        """Append the rows of another."""
        for name, rows in other.of.items():
            self.of[name] += rows

    def run(self, source: int, run: Mapping[str, Any]) -> None:
        """Add a run.

        Args:
            source: The number of the file it was read from.
            run: A `RunRecord` as JSON, with the number of its steps in place of the steps.

        Raises:
            KeyError: Something is missing.
        """
        self.of["runs"].append(
            (
                source,
                run["run"],
                run["runbook"],
                run["title"],
                run["mode"],
                run["status"],
                run["started"],
                run["ended"],
                run["operator"],
                run["machine"],
                run["lab"],
                run["inventory"],
                ",".join(run["hosts"]),
                run["on_failure"],
                run["steps"],
                as_json(run["parameters"]),
                as_json(run["versions"]),
                as_json(run["source"]),
                run["incomplete"],
                run["schema_version"],
            )
        )

    def host(self, key: tuple[int, str, int, str], step: Data, host: Data, commands: list[Data]) -> None:
        """Add a step on a host with its commands and checks.

        Args:
            key: File, run, step, host.
            step: A `StepRecord` as JSON.
            host: A `HostRecord` as JSON; its `commands` are ignored.
            commands: `CommandRecord`s as JSON.

        Raises:
            KeyError: Something is missing.
        """
        checks, changes, facts = host["checks"], host["changes"], host["facts"]
        sent = 0
        add = self.of["commands"].append
        for position, command in enumerate(commands, start=1):
            sent += command["number"] != 0
            add((*key, position, *_command(command)))
        broken = 0
        add = self.of["checks"].append
        for position, check in enumerate(checks, start=1):
            holds = check["holds"]
            broken += not holds
            add((*key, position, check["name"], check["expected"], check["observed"], holds))
        self.of["steps"].append(
            (
                *key,
                step["title"],
                step["kind"],
                host["address"],
                host["kind"],
                host["operation"],
                host["status"],
                host["message"],
                host["attempt"],
                host["started"],
                host["ended"],
                sent,
                len(commands) - sent,
                len(checks),
                broken,
                as_json(changes) if changes else "[]",
                as_json(facts) if facts else "{}",
            )
        )

    def tables(self) -> dict[str, pa.Table]:
        """Return the Arrow tables.

        Raises:
            pyarrow.ArrowException: A value is not of its column's type.
            TypeError: As above.
        """
        return {name: _table(name, rows) for name, rows in self.of.items()}


def _command(command: Data) -> tuple[Any, ...]:
    out, err = command["stdout"], command["stderr"]
    return (
        command["number"],
        command["kind"],
        command["text"],
        command["stdin"],
        command["purpose"],
        command["attempt"],
        command["started"],
        command["ended"],
        command["exit_code"],
        command["accepted"],
        command["problem"],
        out["head"],
        out["tail"],
        out["size"],
        out["sha256"],
        out["complete"],
        err["head"],
        err["tail"],
        err["size"],
        err["sha256"],
        err["complete"],
    )


def _table(name: str, rows: list[tuple[Any, ...]]) -> pa.Table:
    filled = _FILLED[name]
    values = list(zip(*rows, strict=True)) if rows else [()] * len(filled)
    made = {field.name: _array(value, field.type) for field, value in zip(filled, values, strict=True)}
    if "started" in made:
        made["duration"] = _seconds(made["started"], made["ended"])
    if "number" in made:
        made["sent"] = pc.not_equal(made["number"], 0)
    schema = SCHEMAS[name]
    return pa.Table.from_arrays([made[column] for column in schema.names], schema=schema)


def _array(values: tuple[Any, ...], wanted: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(wanted):
        return pa.array(values, pa.string()).cast(wanted)
    return pa.array(values, wanted)


def _seconds(started: pa.Array, ended: pa.Array) -> pa.Array:
    between = pc.subtract(ended.cast(pa.int64()), started.cast(pa.int64()))
    return pc.divide(between.cast(pa.float64()), 1e6)
