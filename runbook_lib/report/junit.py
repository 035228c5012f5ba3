"""JUnit XML for CI: one test case per step and host, which passes only if the evidence says so."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from junitparser import Error, Failure, Skipped, TestSuite

from runbook_lib.connections.shown_command import shown_command
from runbook_lib.evidence.layout import JUNIT_REPORT
from runbook_lib.model.status import BAD, Status
from runbook_lib.printing.visible_text import visible
from runbook_lib.report.formats import FileFormat
from runbook_lib.report.junit_xml import UniqueNames, junit_bytes, new_case
from runbook_lib.report.report_file import write_file
from runbook_lib.report.safe_text import exit_summary, stream
from runbook_lib.report.summary import first_line, outcome_of_run, own_reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from junitparser import TestCase

    from runbook_lib.model.records import HostRecord, RunRecord, StepRecord

__all__ = ["JUnitFormat", "junit", "write_junit"]

_RESULTS = {
    Status.FAILED: Failure,
    Status.UNREACHABLE: Error,
    Status.INTERRUPTED: Error,
    Status.UNKNOWN: Error,
    Status.SKIPPED: Skipped,
}
"""What becomes of a status other than a success; one that is not listed is an error, and never passes."""
_COMPLETE = "run is complete"


class JUnitFormat(FileFormat):
    """`--format junit`."""

    default_name = JUNIT_REPORT

    def render(self, records: list[RunRecord], title: str) -> bytes:  # noqa: ARG002 - JUnit has no heading
        """Return JUnit XML; see `junit`."""
        return junit(records)


def junit(records: list[RunRecord]) -> bytes:
    """Return JUnit XML with one suite per run; it is valid by the schema of Jenkins' xUnit plugin.

    `failed` is a failure; `unreachable`, `interrupted` and `unknown` are errors; `skipped` is skipped. A run that
    did not succeed has a case that does not pass, even if all of its steps do.

    Each case has a name of its own. Of several runs of one runbook the class says which it is: by mode, or by mode
    and hosts, so that a later report has the same names; by id if those are the same.
    """
    names, suite_names = UniqueNames(), UniqueNames()
    suites = [
        _suite(run, label, names, suite_names) for run, label in zip(records, _labels(records), strict=True)
    ]
    return junit_bytes("runbooks", suites)


def write_junit(records: list[RunRecord], path: Path) -> None:
    """Write JUnit XML; see `junit`.

    Raises:
        EvidenceError: The file cannot be written.
    """
    write_file(path, junit(records))


def _labels(records: Sequence[RunRecord]) -> list[str]:
    """Return for each run its runbook, and what distinguishes the run from others of that runbook."""
    ways = (
        lambda run: run.runbook,
        lambda run: f"{run.runbook} ({run.mode})",
        lambda run: f"{run.runbook} ({run.mode} {','.join(run.hosts)})",
        lambda run: f"{run.runbook} ({run.run})",
    )
    labels = []
    for run in records:
        alike = [other for other in records if other.runbook == run.runbook]
        distinct = (way for way in ways if len({way(other) for other in alike}) == len(alike))
        labels.append(next(distinct, ways[-1])(run))
    return labels


def _suite(run: RunRecord, label: str, names: UniqueNames, suite_names: UniqueNames) -> TestSuite:
    suite = TestSuite(suite_names.claim(label))
    suite.timestamp = run.started.isoformat(timespec="seconds")
    suite.hostname = visible(run.machine)
    for name in ("run", "mode", "status", "message", "operator", "lab", "incomplete", "exposed_secrets"):
        suite.add_property(name, visible(str(getattr(run, name) or "")))
    cases: list[TestCase] = []
    titles = Counter(step.title for step in run.steps)
    for step in run.steps:
        # CI systems take cases of the same name for one case.
        name = step.title if titles[step.title] == 1 else f"{step.title} (step {step.number})"
        cases += [
            _case(step, host, new_case(names, name, f"{label}.{host.host}", _seconds(host)))
            for host in step.hosts
        ]
    passed = not any(host.status in BAD for step in run.steps for host in step.hosts)
    if run.incomplete or (passed and run.status in BAD):
        cases.append(_incomplete(run, new_case(names, _COMPLETE, label)))
    suite.add_testcases(cases)  # all at once: adding one case counts all of them again
    return suite


def _seconds(host: HostRecord) -> float:
    return (host.ended - host.started).total_seconds() if host.started and host.ended else 0.0


def _case(step: StepRecord, host: HostRecord, case: TestCase) -> TestCase:
    kind = None if host.status.is_success else _RESULTS.get(host.status, Error)
    if kind:
        message = visible(host.message or "no reason was recorded")
        result = kind(first_line(message), host.status.value)
        if kind is not Skipped:
            result.text = message
        case.result = [result]
    case.system_out = visible(_output(step, host))
    return case


def _incomplete(run: RunRecord, case: TestCase) -> TestCase:
    outcome = outcome_of_run(run)
    result = Error(visible(f"{outcome.headline}: {outcome.sentence}"), run.status.value)
    if own_reason(run):
        result.text = visible(own_reason(run))
    case.result = [result]
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
        lines += ["", f"$ {shown_command(command.text)}"]
        lines += [
            f"({name}) {stream(record)}"
            for name, record in (("stdout", command.stdout), ("stderr", command.stderr))
            if record.size
        ]
        lines.append(f"[{exit_summary(command)}]")
    return "\n".join(lines)
