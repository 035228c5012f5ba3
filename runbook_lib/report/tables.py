"""Four tidy tables made from the records of any number of runs."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.report.columns import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord, StepRecord
    from runbook_lib.report.columns import Column

__all__ = ["Tables", "tables"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Tables:
    """The four tables; `report.columns` lists what is in them.

    Args:
        runs: One row a run.
        steps: One row a run, step and host.
        commands: One row a command, planned ones included (`sent` tells).
        checks: One row a check.
    """

    runs: pd.DataFrame
    steps: pd.DataFrame
    commands: pd.DataFrame
    checks: pd.DataFrame
    schema_version: int = SCHEMA_VERSION

    def by_name(self) -> dict[str, pd.DataFrame]:
        """Return name -> table, in the order of `columns.TABLES`."""
        return {name: getattr(self, name) for name in TABLES}


def tables(records: Iterable[RunRecord]) -> Tables:
    """Make the tables of some runs.

    Args:
        records: In any number; of none the tables are empty, with all columns and types.

    Returns:
        Times as UTC datetimes, durations in seconds.
    """
    runs = list(records)
    steps = [(run, step, host) for run in runs for step in run.steps for host in step.hosts]
    rows = {
        "runs": map(_run, runs),
        "steps": (_host(*place) for place in steps),
        "commands": (row for place in steps for row in _commands(*place)),
        "checks": (row for place in steps for row in _checks(*place)),
    }
    frames = {name: _frame(list(rows[name]), columns) for name, columns in TABLES.items()}
    return Tables(frames["runs"], frames["steps"], frames["commands"], frames["checks"])


def _frame(rows: list[Row], columns: tuple[Column, ...]) -> pd.DataFrame:
    types: dict[str, Any] = {column.name: column.dtype for column in columns}
    frame = pd.DataFrame(rows, columns=list(types), dtype="object").astype(types)
    frame.attrs["schema_version"] = SCHEMA_VERSION
    return frame


def _run(run: RunRecord) -> Row:
    return {
        "run": run.run,
        "runbook": run.runbook,
        "title": run.title,
        "mode": run.mode.value,
        "status": run.status.value,
        **_times(run.started, run.ended),
        "operator": run.operator,
        "machine": run.machine,
        "lab": run.lab,
        "inventory": run.inventory,
        "hosts": ",".join(run.hosts),
        "on_failure": run.on_failure,
        "steps": len(run.steps),
        "parameters": _json(run.parameters),
        "versions": _json(run.versions),
        "source": _json(run.source),
        "incomplete": run.incomplete,
        "schema_version": run.schema_version,
    }


def _host(run: RunRecord, step: StepRecord, host: HostRecord) -> Row:
    return {
        **_place(run, step, host),
        "title": step.title,
        "kind": step.kind,
        "address": host.address,
        "host_kind": host.kind,
        "operation": host.operation,
        "status": host.status.value,
        "message": host.message,
        "attempt": host.attempt,
        **_times(host.started, host.ended),
        "commands_sent": sum(_sent(command) for command in host.commands),
        "commands_planned": sum(not _sent(command) for command in host.commands),
        "checks": len(host.checks),
        "checks_broken": sum(not check.holds for check in host.checks),
        "changes": _json([dataclasses.asdict(change) for change in host.changes]),
        "facts": _json(host.facts),
    }


def _commands(run: RunRecord, step: StepRecord, host: HostRecord) -> Iterator[Row]:
    for position, command in enumerate(host.commands, start=1):
        row = {
            **_place(run, step, host),
            "position": position,
            "sent": _sent(command),
            **command.model_dump(exclude={"started", "ended", "stdout", "stderr"}),
            **_times(command.started, command.ended),
        }
        for name, stream in (("stdout", command.stdout), ("stderr", command.stderr)):
            row |= {f"{name}_{part}": value for part, value in stream.model_dump().items()}
        yield row


def _checks(run: RunRecord, step: StepRecord, host: HostRecord) -> Iterator[Row]:
    for position, check in enumerate(host.checks, start=1):
        yield {**_place(run, step, host), "position": position, **dataclasses.asdict(check)}


def _place(run: RunRecord, step: StepRecord, host: HostRecord) -> Row:
    return {"run": run.run, "step": step.number, "host": host.host}


def _times(started: datetime | None, ended: datetime | None) -> Row:
    seconds = (ended - started).total_seconds() if started and ended else None
    return {"started": started, "ended": ended, "duration": seconds}


def _sent(command: CommandRecord) -> bool:
    """Tell a sent command from one that was only planned: those have no number."""
    return command.number != 0


def _json(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return compact JSON whose order does not depend on where the record was read from."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
