"""JUnit XML for CI: one test case for each step on each host, green only where the evidence says so."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from typing import TYPE_CHECKING

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from runbook_lib.model.status import Status
from runbook_lib.report.formats import FileFormat
from runbook_lib.report.report_file import write_file
from runbook_lib.report.safe_text import ending, stream, visible
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
_WHOLE = "run is complete"


class JUnitFormat(FileFormat):
    """`--format junit`."""

    default_name = "junit.xml"

    def render(self, records: list[RunRecord], title: str) -> bytes:  # noqa: ARG002 - JUnit has no heading
        """Return JUnit XML; see `junit`."""
        return junit(records)


def junit(records: list[RunRecord]) -> bytes:
    """Return JUnit XML, one suite a run.

    `failed` is a failure; `unreachable`, `interrupted` and `unknown` are errors; `skipped` is skipped. A run
    that did not end well has a case that is not green even where none of its steps says so.
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
        # CI systems take cases of the same name for one.
        name = step.title if titles[step.title] == 1 else f"{step.title} (step {step.number})"
        cases += [_case(run, step, host, name) for host in step.hosts]
    green = not any(host.status in BAD for step in run.steps for host in step.hosts)
    if run.incomplete or (green and run.status in BAD):
        cases.append(_incomplete(run))
    suite.add_testcases(cases)  # added one by one, all before would be counted again each time
    return suite


def _case(run: RunRecord, step: StepRecord, host: HostRecord, name: str) -> TestCase:
    lasted = (host.ended - host.started).total_seconds() if host.started and host.ended else 0.0
    case = TestCase(visible(name), visible(f"{run.runbook}.{host.host}"), lasted)
    kind = _RESULTS.get(host.status)
    if kind:
        message = visible(host.message or "no reason was told")
        result = kind(first_line(message), host.status.value)
        if kind is not Skipped:
            result.text = message
        case.result = [result]
    case.system_out = visible(_told(step, host))
    return case


def _incomplete(run: RunRecord) -> TestCase:
    case = TestCase(_WHOLE, visible(run.runbook), 0.0)
    outcome = outcome_of_run(run)
    case.result = [Error(visible(f"{outcome.headline}: {outcome.sentence}"), run.status.value)]
    return case


def _told(step: StepRecord, host: HostRecord) -> str:
    """Return what was done and seen, as a reader of a CI log wants it."""
    lines = [f"step {step.number} on {host.host} ({host.address}): {host.status}"]
    lines += [
        f"check {check.name}: expected {check.expected}, observed {check.observed}: "
        f"{'holds' if check.holds else 'DOES NOT HOLD'}"
        for check in host.checks
    ]
    for command in host.commands:
        lines += ["", f"$ {command.text}"]
        lines += [
            f"({name}) {stream(told)}"
            for name, told in (("output", command.stdout), ("errors", command.stderr))
            if told.size
        ]
        lines.append(f"[{ending(command)}]")
    return "\n".join(lines)
