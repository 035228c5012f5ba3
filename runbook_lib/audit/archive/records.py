"""Rebuild the records of runs from the archive's tables, so that pages need not read the evidence a second time."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import orjson

from runbook_lib.model.plans import Change, Check
from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord, StepRecord, StreamRecord
from runbook_lib.model.status import Mode, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.audit.archive.sql import Database

__all__ = ["records"]

Row = dict[str, Any]
_RUN = (
    "run",
    "runbook",
    "title",
    "started",
    "ended",
    "operator",
    "machine",
    "inventory",
    "lab",
    "incomplete",
)
_HOST = ("host", "address", "operation", "message", "attempt", "started", "ended")
_COMMAND = (
    "number",
    "kind",
    "text",
    "stdin",
    "purpose",
    "attempt",
    "started",
    "ended",
    "exit_code",
    "accepted",
)
_STREAM = ("head", "tail", "size", "sha256", "complete")


def records(database: Database, runs: Sequence[str]) -> dict[str, RunRecord]:
    """Return the records of some runs by their ids; foreign notebooks and damaged files have no record."""
    names = list(runs)
    commands = _grouped(database, "commands", names, "step, host, position")
    checks = _grouped(database, "checks", names, "step, host, position")
    steps: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(database, "steps", names, "step, host"):
        steps[row["run"]].append(row)
    return {
        row["run"]: _run(row, steps[row["run"]], commands, checks)
        for row in _rows(database, "runs", names, "run")
        if row["mode"]
    }


def _rows(database: Database, table: str, runs: list[str], order: str) -> list[Row]:
    sql = f"SELECT * FROM {table} WHERE list_contains(?, run) ORDER BY {order}"  # noqa: S608 - our own names
    found: list[Row] = database.query(sql, [runs]).to_pylist()
    return found


def _grouped(database: Database, table: str, runs: list[str], order: str) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in _rows(database, table, runs, order):
        groups[row["run"], row["step"], row["host"]].append(row)
    return groups


def _run(row: Row, hosts: list[Row], commands: Row | Any, checks: Any) -> RunRecord:  # noqa: ANN401 - groups of rows
    steps: dict[int, list[Row]] = defaultdict(list)
    for host in hosts:
        steps[host["step"]].append(host)
    return RunRecord.model_construct(
        **{name: row[name] for name in _RUN},
        mode=Mode(row["mode"]),
        status=Status(row["status"]),
        schema_version=row["schema_version"],
        on_failure=row["on_failure"],
        hosts=row["hosts"].split(",") if row["hosts"] else [],
        parameters=orjson.loads(row["parameters"]),
        versions=orjson.loads(row["versions"]),
        source=orjson.loads(row["source"]),
        steps=[_step(number, rows, commands, checks) for number, rows in sorted(steps.items())],
    )


def _step(number: int, hosts: list[Row], commands: Any, checks: Any) -> StepRecord:  # noqa: ANN401 - as above
    ends: list[Any] = [host["ended"] for host in hosts]
    starts: list[Any] = [host["started"] for host in hosts if host["started"]]
    return StepRecord.model_construct(
        number=number,
        title=hosts[0]["title"],
        kind=hosts[0]["kind"],
        started=min(starts) if starts else ends[0],
        ended=None if None in ends else max(ends),
        hosts=[_host(row, commands[_key(row)], checks[_key(row)]) for row in hosts],
    )


def _key(row: Row) -> tuple[Any, ...]:
    return row["run"], row["step"], row["host"]


def _host(row: Row, commands: list[Row], checks: list[Row]) -> HostRecord:
    return HostRecord.model_construct(
        **{name: row[name] for name in _HOST},
        kind=row["host_kind"],
        status=Status(row["status"]),
        changes=[Change(**change) for change in orjson.loads(row["changes"])],
        checks=[
            Check(check["name"], check["expected"], check["observed"], check["holds"]) for check in checks
        ],
        facts=orjson.loads(row["facts"]),
        commands=[_command(command) for command in commands],
    )


def _command(row: Row) -> CommandRecord:
    streams: dict[str, Any] = {
        name: StreamRecord.model_construct(**{part: row[f"{name}_{part}"] for part in _STREAM})
        for name in ("stdout", "stderr")
    }
    values = {name: row[name] for name in _COMMAND}
    return CommandRecord.model_construct(**values, problem=row["problem"], **streams)
