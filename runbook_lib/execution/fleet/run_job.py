"""Run one job in this process, or continue what an earlier attempt at it left; then write its reports and seal it."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import EvidenceError, InputError, RunbookError
from runbook_lib.evidence.layout import ATTESTATION, HTML_REPORT, JOURNAL, JUNIT_REPORT
from runbook_lib.evidence.liveness import Liveness, has_writer, liveness
from runbook_lib.evidence.reader import read_journal
from runbook_lib.execution import catalog
from runbook_lib.execution.fleet.claims import Claims
from runbook_lib.execution.fleet.job import JobResult
from runbook_lib.execution.fleet.job_runs import latest_run, runs_directory
from runbook_lib.execution.input_checks import check_parameters
from runbook_lib.execution.notebook.outcome import Outcome
from runbook_lib.execution.notebook.run_notebook import run_notebook
from runbook_lib.model.skipped_steps import describe_skipped
from runbook_lib.model.status import BAD, Status, worst
from runbook_lib.runbook.notebook import run_directory
from runbook_lib.runbook.notebook.checked_input import CheckedInput
from runbook_lib.signal_handlers import surviving_hangup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runbook_lib.execution.fleet.job import Job
    from runbook_lib.model.records import RunRecord

    Report = Callable[[dict[str, Any]], None]

__all__ = ["run_job"]

_SMALL = (
    2 * 2**20
)  # bytes of a journal: the report of a larger one is written when the kernel's memory is free again
_POLL = 0.5  # seconds between two checks on a run whose starter has died


def run_job(job: Job, report: Report) -> JobResult:
    """Make the job's run and wait for its end; write its reports next to its journal, and seal it.

    Args:
        job: What to run. If it belongs to a fleet, an earlier attempt at it is looked for: a run that is still
            running is waited for, one that ended is reported, one that was cut off is resumed.
        report: Called with each journal entry as it appears.
    """
    with surviving_hangup():
        result, attempt = _run_or_continue(job, report)
    return replace(result, attempt=attempt, machine=platform.node())


def _run_or_continue(job: Job, report: Report) -> tuple[JobResult, int]:
    """Return the job's result, and the number of the attempt."""
    attempt = 1
    try:
        if job.fleet:
            claims = Claims(Path(job.fleet))
            with claims.claim(job.id) as attempt:
                result = _attempt(job, attempt, claims, report)
        else:
            result = _run(job, report, report)
    except InputError as problem:
        # What an earlier attempt has done to hosts is not known here.
        bad_input = attempt == 1
        status = Status.FAILED if bad_input else Status.UNKNOWN
        result = JobResult(job.id, status=status, problem=str(problem), bad_input=bad_input)
    except RunbookError as problem:
        result = JobResult(job.id, problem=str(problem))
    return result, attempt


def _attempt(job: Job, attempt: int, claims: Claims, report: Report) -> JobResult:
    runs = runs_directory(job)

    def recording(entry: dict[str, Any]) -> None:
        if entry["event"] == "run_started":
            claims.record_run(job.id, attempt, runs / entry["run"])
        report(entry)

    if attempt == 1:
        return _run(job, recording, report)
    note = f"attempt {attempt}, after a worker died"
    claims.await_earlier(job.id, attempt)
    earlier = latest_run(job, runs)
    if earlier is None:
        return replace(_run(job, recording, report), note=f"{note}: no run had started")
    claims.record_run(job.id, attempt, earlier)
    _await_end(earlier, claims)
    outcome = Outcome.read(earlier)
    if outcome.record and not outcome.record.incomplete:
        return replace(_finished(job, outcome), note=f"{note}: the dead worker's run had ended by then")
    result = _run(job, recording, report, resumed=earlier)
    return replace(result, note=f"{note}: resumed {earlier.name}")


def _run(job: Job, report: Report, report_later: Report, resumed: Path | None = None) -> JobResult:
    notebook, runs = Path(job.notebook), runs_directory(job)
    values = {**job.values, "resume": str(resumed)} if resumed else job.values
    checked = CheckedInput(**job.checked) if job.checked else None
    if checked and resumed:
        checked = checked.resuming(resumed)
    if (
        job.fleet
    ):  # planned in another process, perhaps on another machine: keys and secrets may be missing here
        check_parameters(catalog.load(notebook), values, None)
    reports = _Reports(runs)

    def also_preparing(entry: dict[str, Any]) -> None:
        report(entry)
        reports.prepare(entry)

    with _job_in_environment(job):
        outcome = run_notebook(
            notebook, job.runbook, runs, values, also_preparing, reports.load, report_later, checked
        )
    return _finished(job, outcome, reports)


@contextlib.contextmanager
def _job_in_environment(job: Job) -> Iterator[None]:
    """Have kernels note the fleet's job in their journal: a later attempt finds its run by that."""
    before = os.environ.get(run_directory.JOB)
    os.environ[run_directory.JOB] = job.id if job.fleet else ""
    try:
        yield
    finally:
        del os.environ[run_directory.JOB]
        if before is not None:
            os.environ[run_directory.JOB] = before


def _finished(job: Job, outcome: Outcome, reports: _Reports | None = None) -> JobResult:
    """Write the reports, seal the run, and return the job's result; a run without either is not a success."""
    outcomes = [outcome, *map(Outcome.read, outcome.later)]
    try:
        for made in outcomes:
            (reports if reports and made is outcome else _Reports(made.path.parent)).write(made)
        if not outcome.evidence_problem:  # a seal must not vouch for evidence that is known to be wrong
            for made in outcomes:
                _seal(made)
    except RunbookError as problem:
        outcome = replace(outcome, evidence_problem=str(problem))
    # A later run of the same notebook can only make the job's outcome worse.
    bad = [made.status for made in outcomes[1:] if made.status in BAD]
    record = outcome.record
    return JobResult(
        job.id,
        path=str(outcome.path),
        status=worst([outcome.status, *bad]),
        problem=outcome.problems,
        skipped=describe_skipped(record.steps) if record else "",
        mode=record.mode if record else "",
        seconds=(record.ended - record.started).total_seconds() if record and record.ended else None,
        interrupted=outcome.interrupted,
        later=tuple(map(str, outcome.later)),
    )


class _Reports:
    """A run's reports, written while its kernel exits; the code for them is loaded while its kernel starts.

    Args:
        runs: The directory of runs.
    """

    def __init__(self, runs: Path) -> None:
        self._path = runs
        self._made: tuple[int, int] | None = None
        self._written: RunRecord | None = None

    @staticmethod
    def load() -> None:
        """Load the code for reports, and compile their templates."""
        from runbook_lib import attestation  # noqa: F401, PLC0415 - not before the kernel is requested
        from runbook_lib.display import cards  # noqa: PLC0415 - as above
        from runbook_lib.report import html, jinja_environment, junit  # noqa: F401, PLC0415 - as above

        cards.load_templates(jinja_environment.templates)

    def prepare(self, entry: dict[str, Any]) -> None:
        """Note or write what a journal entry makes possible."""
        if entry["event"] == "run_started":
            self._path /= entry["run"]
            self._made = run_directory.identity(self._path)
        elif entry["event"] == "run_ended":
            with contextlib.suppress(EvidenceError, OSError):  # it is tried again, and then reported
                if (self._path / JOURNAL).stat().st_size <= _SMALL:
                    self.write(Outcome(self._path, read_journal(self._path)))

    def write(self, outcome: Outcome) -> None:
        """Write the reports, unless they exist for the same record.

        Raises:
            EvidenceError: They cannot be written.
        """
        if outcome.record is None or outcome.record == self._written:
            return
        found = run_directory.identity(outcome.path)
        if found is None or (self._made and found != self._made):
            raise EvidenceError(
                "the run directory was replaced: no report is written", where=str(outcome.path)
            )
        from runbook_lib.report.html import write_html  # noqa: PLC0415 - as above
        from runbook_lib.report.junit import write_junit  # noqa: PLC0415 - as above

        write_html([outcome.record], outcome.path / HTML_REPORT, outcome.record.title)
        write_junit([outcome.record], outcome.path / JUNIT_REPORT)
        self._written = outcome.record


def _seal(outcome: Outcome) -> None:
    """Seal a run whose journal has its end, unless an earlier attempt has; any other is sealed by hand, as cut off."""
    if outcome.record is None:
        return
    from runbook_lib import attestation  # noqa: PLC0415 - as above

    if not (outcome.path / ATTESTATION).exists():
        attestation.seal_run(outcome.path)


def _await_end(path: Path, claims: Claims) -> None:
    """Wait for a run that is still running although the process that started it has died."""
    signaled = False
    while has_writer(path / JOURNAL):
        record = Outcome.read(path).record if claims.stopped else None
        state = liveness(record) if record else Liveness.UNDETERMINED
        if state in {Liveness.STALE, Liveness.ENDED}:
            return  # what still has the journal open is not the run, which cannot be interrupted any more
        if record and state is Liveness.RUNNING and not signaled:
            signaled = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(record.pid, signal.SIGINT)
        time.sleep(_POLL)
