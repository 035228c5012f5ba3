"""Rebuild the records of runs from the archive's tables, so that pages need not read the evidence a second time."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from runbook_lib.model.plans import Check
from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord, StepRecord, StreamRecord
from runbook_lib.report.arrow_rows import values_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.audit.archive.sql import Database

__all__ = ["records"]

Row = dict[str, Any]


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
        **values_for("run", "runs", row),
        steps=[_step(rows, commands, checks) for _, rows in sorted(steps.items())],
    )


def _step(hosts: list[Row], commands: Any, checks: Any) -> StepRecord:  # noqa: ANN401 - as above
    ends: list[Any] = [host["ended"] for host in hosts]
    starts: list[Any] = [host["started"] for host in hosts if host["started"]]
    return StepRecord.model_construct(
        **values_for("step", "steps", hosts[0]),
        started=min(starts) if starts else ends[0],
        ended=None if None in ends else max(ends),
        hosts=[_host(row, commands[_key(row)], checks[_key(row)]) for row in hosts],
    )


def _key(row: Row) -> tuple[Any, ...]:
    return row["run"], row["step"], row["host"]


def _host(row: Row, commands: list[Row], checks: list[Row]) -> HostRecord:
    return HostRecord.model_construct(
        **values_for("host", "steps", row),
        checks=[Check(**values_for("check", "checks", check)) for check in checks],
        commands=[_command(command) for command in commands],
    )


def _command(row: Row) -> CommandRecord:
    values = values_for("command", "commands", row)
    for name in ("stdout", "stderr"):
        values[name] = StreamRecord.model_construct(**values[name])
    return CommandRecord.model_construct(**values)
