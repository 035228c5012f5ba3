"""Carry one unit out in this process; or go on with what an earlier attempt at it has left."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import EvidenceError, RunbookError
from runbook_lib.evidence.liveness import has_writer
from runbook_lib.execution import catalog
from runbook_lib.execution.fleet.claims import Claims
from runbook_lib.execution.fleet.job import Result, Unit
from runbook_lib.execution.notebook import run_notebook
from runbook_lib.project import project_top
from runbook_lib.runbook import run_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runbook_lib.execution.notebook.run_notebook import Outcome
    from runbook_lib.model.records import RunRecord

__all__ = ["carry_out"]

_POLL = 0.5  # seconds between two looks at a run that goes on without us


def carry_out(unit: Unit, tell: Callable[[dict[str, Any]], None]) -> Result:
    """Make the unit's run and wait for its end; leave its reports beside its journal.

    Args:
        unit: What to do. Where it belongs to a fleet an earlier attempt at it is looked for: a run that still goes
            on is waited for, one that ended is reported, one that did not end is gone on with.
        tell: Called with each journal entry as it appears.
    """
    began, attempt = time.monotonic(), 1
    try:
        if unit.fleet:
            claims = Claims(Path(unit.fleet))
            with claims.claim(unit.id) as attempt:
                result = _attempt(unit, attempt, claims, tell)
        else:
            result = _run(unit, unit.values, tell)
    except RunbookError as problem:
        result = Result(unit.id, problem=str(problem))
    return replace(result, attempt=attempt, machine=platform.node(), seconds=time.monotonic() - began)


def _attempt(unit: Unit, attempt: int, claims: Claims, tell: Callable[[dict[str, Any]], None]) -> Result:
    runs = project_top() / Path(unit.runs).expanduser()

    def noting(told: dict[str, Any]) -> None:
        if told["event"] == "run_started":
            claims.note(unit.id, attempt, runs / told["run"])
        tell(told)

    if attempt == 1:
        return _run(unit, unit.values, noting)
    note = f"attempt {attempt}, after a worker died"
    claims.await_earlier(unit.id, attempt)
    earlier = max(_runs_of(unit, runs), default=None)
    if earlier is None:
        return replace(_run(unit, unit.values, noting), note=f"{note}: no run had begun")
    claims.note(unit.id, attempt, earlier)
    _await_end(earlier, claims)
    outcome = run_notebook.Outcome.read(earlier)
    if outcome.record and not outcome.record.incomplete:
        return replace(_result(unit, outcome), note=f"{note}: the run it had begun went on to its end")
    result = _run(unit, {**unit.values, "resume": str(earlier)}, noting)
    return replace(result, note=f"{note}: goes on with {earlier.name}")


def _run(unit: Unit, values: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> Result:
    entry = catalog.load(Path(unit.notebook))
    parameters = catalog.check(entry, values, None)
    os.environ[run_directory.UNIT] = unit.id if unit.fleet else ""
    reports = _Reports(project_top() / parameters.runs)

    def also_reporting(told: dict[str, Any]) -> None:
        tell(told)
        reports.tell(told)

    return _result(unit, run_notebook.run(entry, parameters, values, also_reporting), reports)


def _result(unit: Unit, outcome: Outcome, reports: _Reports | None = None) -> Result:
    (reports or _Reports(outcome.path.parent)).leave(outcome)
    _seal(outcome)
    return Result(unit.id, path=str(outcome.path), status=outcome.status, problem=outcome.problem)


class _Reports:
    """A run's reports, written while its kernel ends; what they need is loaded while its hosts are at work.

    Args:
        runs: The directory of runs.
    """

    def __init__(self, runs: Path) -> None:
        self._path = runs
        self._of: RunRecord | None = None

    def tell(self, told: dict[str, Any]) -> None:
        """Take note of a journal's entry."""
        if told["event"] == "run_started":
            self._path /= told["run"]
        elif told["event"] == "step_started" and told["step"] == 1:
            from runbook_lib import attestation  # noqa: F401, PLC0415 - loaded while hosts are at work
            from runbook_lib.display import cards  # noqa: PLC0415 - as above
            from runbook_lib.report import html, jinja_environment, junit  # noqa: F401, PLC0415 - as above

            cards.load_templates(jinja_environment.templates)
        elif told["event"] == "run_ended":
            with contextlib.suppress(EvidenceError):  # it is tried again, and then told
                self.leave(run_notebook.Outcome.read(self._path))

    def leave(self, outcome: Outcome) -> None:
        """Write the reports, unless they are there and tell the same.

        Raises:
            EvidenceError: They cannot be written.
        """
        if outcome.record is None or outcome.record == self._of:
            return
        from runbook_lib.report.html import write_html  # noqa: PLC0415 - as above
        from runbook_lib.report.junit import write_junit  # noqa: PLC0415 - as above

        write_html([outcome.record], outcome.path / "report.html", outcome.record.title)
        write_junit([outcome.record], outcome.path / "junit.xml")
        self._of = outcome.record


def _seal(outcome: Outcome) -> None:
    """Seal a run that told its end, unless whoever made it has; any other is sealed by hand, as what it is."""
    if outcome.record is None:
        return
    from runbook_lib import attestation  # noqa: PLC0415 - as above

    if not (outcome.path / attestation.ATTESTATION).exists():
        attestation.seal_run(outcome.path)


def _runs_of(unit: Unit, runs: Path) -> Iterator[Path]:
    """Yield the runs whose own journals say that they are this unit's."""
    since = Path(unit.fleet).name  # begins with the time, as a run's directory does
    for journal in runs.glob(f"*_{unit.runbook}_*/journal.jsonl"):
        if journal.parent.name < since[:16]:
            continue
        try:
            with journal.open(encoding="utf-8") as file:
                if json.loads(file.readline()).get("unit") == unit.id:
                    yield journal.parent
        except (OSError, ValueError):
            continue  # nothing was sent before its first line was whole


def _await_end(path: Path, claims: Claims) -> None:
    """Wait for a run that goes on although whoever began it has died."""
    told = False
    while has_writer(path / "journal.jsonl"):
        if claims.stopped and not told:
            told = True
            record = run_notebook.Outcome.read(path).record
            if record and record.machine == platform.node():
                os.kill(record.pid, signal.SIGINT)
        time.sleep(_POLL)
