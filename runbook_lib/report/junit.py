"""JUnit XML for CI: one test case per step and host, which passes only if the evidence says so."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from typing import TYPE_CHECKING

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from runbook_lib.model.status import Status
from runbook_lib.report.formats import FileFormat
from runbook_lib.report.report_file import write_file
from runbook_lib.report.safe_text import exit_summary, stream, visible
from runbook_lib.report.summary import BAD, first_line, outcome_of_run

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import HostRecord, RunRecord, StepRecord

__all__ = ["JUnitFormat", "junit", "write_junit"]

_RESULTS = {
    Status.FAILED: Failure,
    Status.UNREACHABLE: Error,
    Status.INTERRUPTED: Error,
    Status.UNKNOWN: Error,
    Status.SKIPPED: Skipped,
}
_COMPLETE = "run is complete"


class JUnitFormat(FileFormat):
    """`--format junit`."""

    default_name = "junit.xml"

    def render(self, records: list[RunRecord], title: str) -> bytes:  # noqa: ARG002 - JUnit has no heading
        """Return JUnit XML; see `junit`."""
        return junit(records)


def junit(records: list[RunRecord]) -> bytes:
    """Return JUnit XML with one suite per run.

    `failed` is a failure; `unreachable`, `interrupted` and `unknown` are errors; `skipped` is skipped. A run that
    did not succeed has a case that does not pass, even if all of its steps do.
    """
    xml = JUnitXml("runbooks")
    for run in records:
        xml.add_testsuite(_suite(run))
    xml.update_statistics()  # type: ignore[no-untyped-call] # junitparser's own gap
    buffer = BytesIO()
    xml.write(buffer, pretty=True)
    return buffer.getvalue()


def write_junit(records: list[RunRecord], path: Path) -> None:
    """Write JUnit XML; see `junit`.

    Raises:
        EvidenceError: The file cannot be written.
    """
    write_file(path, junit(records))


def _suite(run: RunRecord) -> TestSuite:
    suite = TestSuite(visible(run.runbook))
    suite.timestamp = run.started.isoformat(timespec="seconds")
    suite.hostname = visible(run.machine)
    for name in ("run", "mode", "status", "operator", "lab", "incomplete"):
        suite.add_property(name, visible(str(getattr(run, name) or "")))
    cases: list[TestCase] = []
    titles = Counter(step.title for step in run.steps)
    for step in run.steps:
        # CI systems take cases of the same name for one case.
        name = step.title if titles[step.title] == 1 else f"{step.title} (step {step.number})"
        cases += [_case(run, step, host, name) for host in step.hosts]
    passed = not any(host.status in BAD for step in run.steps for host in step.hosts)
    if run.incomplete or (passed and run.status in BAD):
        cases.append(_incomplete(run))
    suite.add_testcases(cases)  # all at once: adding one case counts all of them again
    return suite


def _case(run: RunRecord, step: StepRecord, host: HostRecord, name: str) -> TestCase:
    duration = (host.ended - host.started).total_seconds() if host.started and host.ended else 0.0
    case = TestCase(visible(name), visible(f"{run.runbook}.{host.host}"), duration)
    kind = _RESULTS.get(host.status)
    if kind:
        message = visible(host.message or "no reason was recorded")
        result = kind(first_line(message), host.status.value)
        if kind is not Skipped:
            result.text = message
        case.result = [result]
    case.system_out = visible(_output(step, host))
    return case


def _incomplete(run: RunRecord) -> TestCase:
    case = TestCase(_COMPLETE, visible(run.runbook), 0.0)
    outcome = outcome_of_run(run)
    case.result = [Error(visible(f"{outcome.headline}: {outcome.sentence}"), run.status.value)]
    return case


def _output(step: StepRecord, host: HostRecord) -> str:
    """Return the checks and commands as text, for the reader of a CI log."""
    lines = [f"step {step.number} on {host.host} ({host.address}): {host.status}"]
    lines += [
        f"check {check.name}: expected {check.expected}, observed {check.observed}: "
        f"{'passed' if check.holds else 'failed'}"
        for check in host.checks
    ]
    for command in host.commands:
        lines += ["", f"$ {command.text}"]
        lines += [
            f"({name}) {stream(record)}"
            for name, record in (("stdout", command.stdout), ("stderr", command.stderr))
            if record.size
        ]
        lines.append(f"[{exit_summary(command)}]")
    return "\n".join(lines)
