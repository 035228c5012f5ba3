"""Live progress of several runs: a table on a terminal, lines with the run's name before each elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from runbook_lib.cli.progress import Progress, colour
from runbook_lib.evidence.follower import JournalFollower
from runbook_lib.model.status import SYMBOLS
from runbook_lib.report.summary import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.execution.fleet.claims import Claims
    from runbook_lib.execution.fleet.job import Result, Unit

__all__ = ["Board", "sum_up", "tell_result"]

_LONGEST_PREFIX = 30  # characters


@dataclass
class _Row:
    """One run that is under way."""

    unit: Unit
    progress: Progress
    began: float = field(default_factory=time.monotonic)
    follower: JournalFollower | None = None
    step: str = "starting"
    hosts: dict[str, str] = field(default_factory=dict)

    def take(self, entry: dict[str, Any]) -> None:
        """Take note of where the run is."""
        if entry["event"] == "step_started":
            self.step = f"{entry['step']}. {entry['title']}"
            self.hosts = dict.fromkeys(entry["hosts"], "")
        elif entry["event"] == "command_started":
            self.hosts[entry["host"]] = entry["text"]
        elif entry["event"] == "host_ended":
            self.hosts.pop(entry["host"], None)


class Board:
    """Watch the units of a fleet.

    Args:
        claims: The fleet's directory.
        units: How many there are.
    """

    def __init__(self, claims: Claims, units: int) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self.signals: list[str] = []
        """Signals that came and were not told of yet."""
        self._stopping = False
        self._claims = claims
        self._units = units
        self._rows: dict[str, _Row] = {}
        self._ended: list[Result] = []
        self._live = (
            Live(console=self.console, get_renderable=self._table, refresh_per_second=4, transient=True)
            if self.console.is_terminal
            else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._live:
            self._live.stop()

    def started(self, unit: Unit) -> None:
        """Begin to tell of a unit; see `Watcher`."""
        prefix = "" if self._live else f"[{unit.label[:_LONGEST_PREFIX]}] "
        self._rows[unit.id] = _Row(unit, Progress(self.console, prefix, spins=False))

    def look(self) -> None:
        """Tell what the journals tell that is new; see `Watcher`."""
        while self.signals:
            name = self.signals.pop(0)
            what = "stopping already; waiting for the ends of the runs' journals"
            self.console.print(
                f"{name}: {what if self._stopping else 'interrupting every run'}", markup=False
            )
            self._stopping = True
        for row in self._rows.values():
            run = self._claims.run_of(row.unit.id)
            if run and (row.follower is None or row.follower.run != run):
                row.follower = JournalFollower(run)
            for entry in row.follower.new_entries() if row.follower else ():
                row.take(entry)
                if self._live is None or entry["event"] == "lock_answered":
                    row.progress.tell(entry)

    def ended(self, unit: Unit, result: Result) -> None:
        """Tell how a unit ended; see `Watcher`."""
        self.look()
        row = self._rows.pop(unit.id)
        self._ended.append(result)
        tell_result(row.progress, result, f"{unit.label}: " if self._live else "")

    def _table(self) -> Table:
        table = Table("run", "step", "host", "under way", "elapsed", box=None, pad_edge=False, expand=True)
        for column in table.columns:
            column.no_wrap, column.overflow = True, "ellipsis"
        for row in self._rows.values():
            busy = [(host, text) for host, text in row.hosts.items() if text] or [("", "")]
            told = time.monotonic() - row.began
            host = busy[0][0] + (f" +{len(busy) - 1}" if len(busy) > 1 else "")
            table.add_row(
                Text(row.unit.label, "bold"), Text(row.step), Text(host), Text(busy[0][1]), f"{told:.0f} s"
            )
        waiting = self._units - len(self._ended) - len(self._rows)
        table.caption = f"{len(self._ended)} of {self._units} runs have ended, {waiting} wait"
        table.caption_justify = "left"
        return table


def tell_result(progress: Progress, result: Result, before: str = "") -> None:
    """Say how a run ended, where its journal cannot, and where its evidence is."""
    progress.end()
    if before:
        progress.say(f"{before}{SYMBOLS[result.status]} {result.status}")
    if result.problem:
        progress.say(f"  {result.problem}")
    if result.note:
        progress.say(f"  {result.note}")
    if result.path:
        progress.say(f"  evidence: {result.path}")


def sum_up(console: Console, units: Sequence[Unit], results: Sequence[Result]) -> None:
    """Print one line a run; a table on a terminal."""
    console.print()
    rows = [
        (
            Text(f"{SYMBOLS[result.status]} {result.status}", colour(result.status)),
            unit.label,
            ", ".join(unit.hosts),
            f"attempt {result.attempt}" if result.attempt > 1 else "",
            seconds(result.seconds) if result.path else "",
            "; ".join(filter(None, (result.note, result.problem))) or Path(result.path).name,
        )
        for unit, result in zip(units, results, strict=True)
    ]
    if not console.is_terminal:
        width = max(len(unit.label) for unit in units)
        for status, label, *told in rows:
            console.print(
                "  ".join(filter(None, (f"{status.plain:<13}", f"{label:<{width}}", *told))), markup=False
            )
        return
    table = Table("outcome", "run", "hosts", "", "took", "evidence", box=None, pad_edge=False)
    for status, *told in rows:
        table.add_row(status, *map(Text, told))
    console.print(table)
