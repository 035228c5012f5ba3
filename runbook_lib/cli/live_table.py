"""Live progress of several runs: a table on a terminal, elsewhere lines that begin with the run's name."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rich.live import Live
from rich.table import Table
from rich.text import Text

from runbook_lib.cli.readable_rows import print_rows
from runbook_lib.cli.run_progress import Progress, color
from runbook_lib.evidence.follower import JournalFollower
from runbook_lib.evidence.layout import HTML_REPORT
from runbook_lib.model.status import BAD, SYMBOLS, Mode, Status
from runbook_lib.printing.console import FilteredConsole
from runbook_lib.project import project_top
from runbook_lib.report.summary import first_line, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.execution.fleet.claims import Claims
    from runbook_lib.execution.fleet.job import Job, JobResult

__all__ = ["LiveTable", "print_result", "print_summary"]

_LONGEST_PREFIX = 30  # characters


@dataclass
class _Row:
    """One job that is running. Its values are replaced, never changed: rich draws the table in a thread of its own."""

    job: Job
    progress: Progress
    began: float = field(default_factory=time.monotonic)
    follower: JournalFollower | None = None
    step: str = "starting"
    hosts: dict[str, str] = field(default_factory=dict)

    def update(self, entry: dict[str, Any]) -> None:
        """Note where the run is, from a journal entry."""
        if entry["event"] == "step_started":
            self.step = f"{entry['step']}. {entry['title']}"
            self.hosts = dict.fromkeys(entry["hosts"], "")
        elif entry["event"] == "command_started":
            self.hosts = {**self.hosts, entry["host"]: entry["text"]}
        elif entry["event"] == "host_ended":
            self.hosts = {host: text for host, text in self.hosts.items() if host != entry["host"]}


class LiveTable:
    """Shows the jobs of a fleet; a `Watcher` of the scheduler.

    Args:
        claims: The fleet's claims, which name the runs to follow.
        jobs: How many jobs there are.
    """

    def __init__(self, claims: Claims, jobs: int) -> None:
        self.console = FilteredConsole(soft_wrap=True)
        self.signals: list[str] = []
        """Signals that were received and not printed yet."""
        self._stopping = False
        self._claims = claims
        self._jobs = jobs
        self._rows: dict[str, _Row] = {}  # replaced, never changed: see `_Row`
        self._ended: list[JobResult] = []
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

    def started(self, job: Job) -> None:
        """Add a job's row; see `Watcher`."""
        prefix = "" if self._live else f"[{job.label[:_LONGEST_PREFIX]}] "
        row = _Row(job, Progress(self.console, prefix, spins=False))
        self._rows = {**self._rows, job.id: row}

    def refresh(self) -> None:
        """Show new journal entries, and the signals that came; see `Watcher`."""
        while self.signals:
            name = self.signals.pop(0)
            action = (
                "already stopping; waiting for the runs to complete their journals"
                if self._stopping
                else "interrupting every run"
            )
            self.console.print(f"{name}: {action}", markup=False)
            self._stopping = True
        for row in self._rows.values():
            run = self._claims.latest_run(row.job.id)
            if run and (row.follower is None or row.follower.run != run):
                row.follower = JournalFollower(run)
            for entry in row.follower.new_entries() if row.follower else ():
                with contextlib.suppress(KeyError, TypeError):  # see Progress.report
                    row.update(entry)
                if self._live is None or entry["event"] == "lock_answered":
                    row.progress.report(entry)

    def ended(self, job: Job, result: JobResult) -> None:
        """Replace a job's row by its result; see `Watcher`."""
        self.refresh()
        row = self._rows[job.id]
        self._rows = {name: other for name, other in self._rows.items() if name != job.id}
        self._ended.append(result)
        for path in result.later if self._live is None else ():
            for entry in JournalFollower(Path(path)).new_entries():
                row.progress.report(entry)
        print_result(row.progress, result, f"{job.label}: " if self._live else "")

    def _table(self) -> Table:
        table = Table("run", "step", "host", "command", "elapsed", box=None, pad_edge=False, expand=True)
        for column in table.columns:
            column.no_wrap, column.overflow = True, "ellipsis"
        rows = self._rows
        for row in rows.values():
            busy = [(host, text) for host, text in row.hosts.items() if text] or [("", "")]
            elapsed = time.monotonic() - row.began
            host = busy[0][0] + (f" +{len(busy) - 1}" if len(busy) > 1 else "")
            table.add_row(
                Text(row.job.label, "bold"), Text(row.step), Text(host), Text(busy[0][1]), f"{elapsed:.0f} s"
            )
        waiting = self._jobs - len(self._ended) - len(rows)
        table.caption = f"{len(self._ended)} of {self._jobs} runs ended, {waiting} waiting"
        table.caption_justify = "left"
        return table


def print_result(progress: Progress, result: JobResult, before: str = "") -> None:
    """Print what a run's journal does not say about its end, what to do next, and where its report and evidence are.

    Args:
        progress: The run's.
        result: The run's.
        before: If given, the status is printed too, after this text.
    """
    progress.stop_spinner()
    if before:
        progress.print_line(f"{before}{SYMBOLS[result.status]} {result.status}")
    if result.problem:
        progress.print_line(f"  {result.problem}")
    if result.note:
        progress.print_line(f"  {result.note}")
    if result.skipped:
        progress.print_line(f"  {result.skipped}")
    if result.path and result.status in BAD and result.mode == Mode.APPLY:
        again = f"`runbook run --resume {_name_of_run(result.path)}`"
        when = "" if result.status is Status.INTERRUPTED else "when the cause is fixed: "
        progress.print_line(f"  hint: {when}{again} continues the run")
    for path in filter(None, (result.path, *result.later)):
        report = os.path.join(path, HTML_REPORT)  # noqa: PTH118 - of a path that may be anything
        if os.path.exists(report):  # noqa: PTH110 - as above
            content = ", with the planned commands" if result.mode == Mode.PLAN else ""
            progress.print_line(f"  report{content}: {report}")
        progress.print_line(f"  evidence: {path}")


def _name_of_run(path: str) -> str:
    """Return what `--resume` finds a run by: its id if it is where runs are looked for, else its path."""
    directory = Path(path)
    return directory.name if directory.parent == project_top() / "runs" else shlex.quote(path)


def print_summary(console: FilteredConsole, jobs: Sequence[Job], results: Sequence[JobResult]) -> None:
    """Print one row per run, or on a narrow terminal a few lines."""
    console.print()
    rows = [
        (
            Text(f"{SYMBOLS[result.status]} {result.status}", color(result.status)),
            Text(job.label),
            Text(result.mode),
            Text(", ".join(job.hosts)),
            Text(str(result.attempt)) if result.attempt > 1 else Text(),
            Text(seconds(result.seconds)) if result.path else Text(),
            Text(first_line("; ".join(filter(None, (result.problem, result.note, result.skipped))))),
            Text(Path(result.path).name),
        )
        for job, result in zip(jobs, results, strict=True)
    ]
    names = ("outcome", "run", "mode", "hosts", "attempt", "duration", "remarks", "evidence")
    print_rows(console, names, rows, heading=2)
