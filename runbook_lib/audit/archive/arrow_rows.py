"""Rows of the four tables, gathered as tuples and turned into Arrow tables a batch at a time."""

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
    """Return compact JSON in an order that does not depend on where it was read from.

    Raises:
        TypeError: It is nested too deeply, or is no JSON.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


class Rows:
    """Rows read from any number of files, in the order of the columns that are not derived from others."""

    def __init__(self) -> None:
        self.of: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}

    def add(self, other: Rows) -> None:
        """Take another's rows in."""
        for name, rows in other.of.items():
            self.of[name] += rows

    def run(self, source: int, told: Mapping[str, Any]) -> None:
        """Add a run.

        Args:
            source: The file it was read from.
            told: As `RunRecord` in JSON, with the number of its steps.

        Raises:
            KeyError: Something is missing.
        """
        self.of["runs"].append(
            (
                source,
                told["run"],
                told["runbook"],
                told["title"],
                told["mode"],
                told["status"],
                told["started"],
                told["ended"],
                told["operator"],
                told["machine"],
                told["lab"],
                told["inventory"],
                ",".join(told["hosts"]),
                told["on_failure"],
                told["steps"],
                as_json(told["parameters"]),
                as_json(told["versions"]),
                as_json(told["source"]),
                told["incomplete"],
                told["schema_version"],
            )
        )

    def host(self, place: tuple[int, str, int, str], step: Data, told: Data, commands: list[Data]) -> None:
        """Add a step on a host with its commands and checks.

        Args:
            place: File, run, step, host.
            step: As `StepRecord` in JSON.
            told: As `HostRecord` in JSON; its `commands` are not looked at.
            commands: As `CommandRecord` in JSON.

        Raises:
            KeyError: Something is missing.
        """
        checks, changes, facts = told["checks"], told["changes"], told["facts"]
        sent = 0
        add = self.of["commands"].append
        for position, command in enumerate(commands, start=1):
            sent += command["number"] != 0
            add((*place, position, *_command(command)))
        broken = 0
        add = self.of["checks"].append
        for position, check in enumerate(checks, start=1):
            holds = check["holds"]
            broken += not holds
            add((*place, position, check["name"], check["expected"], check["observed"], holds))
        self.of["steps"].append(
            (
                *place,
                step["title"],
                step["kind"],
                told["address"],
                told["kind"],
                told["operation"],
                told["status"],
                told["message"],
                told["attempt"],
                told["started"],
                told["ended"],
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


def _command(told: Data) -> tuple[Any, ...]:
    out, err = told["stdout"], told["stderr"]
    return (
        told["number"],
        told["kind"],
        told["text"],
        told["stdin"],
        told["purpose"],
        told["attempt"],
        told["started"],
        told["ended"],
        told["exit_code"],
        told["accepted"],
        told["problem"],
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
