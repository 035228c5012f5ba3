"""The statement of an attestation: an in-toto Statement v1 with the predicate `test-result` v0.1.

Sources: the in-toto attestation framework's `spec/v1/statement.md` and `spec/predicates/test-result.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runbook_lib.evidence.layout import PARAMETERS
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runbook_lib.model.records import RunRecord

__all__ = ["EXTENSION", "PREDICATE_TYPE", "SOURCE", "STATEMENT_TYPE", "StepResult", "make", "outcome"]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
EXTENSION = "runbookRun"
"""The one field that this library adds to the predicate: what a test result has no fields for."""
SOURCE = "source"
"""The name of the git repository's tree among a run's inputs."""

_PASSED = frozenset({Status.OK, Status.CHANGED})
_WARNED = frozenset({Status.PLANNED, Status.SKIPPED})


class StepResult(NamedTuple):
    """One step on one host, and how it ended; `unknown` if its end was not recorded."""

    step: int
    title: str
    host: str
    status: str

    @property
    def name(self) -> str:
        """The name under which the predicate lists it."""
        return f"{self.step} {self.title} [{self.host}]"


def outcome(status: str, tests: Iterable[StepResult]) -> dict[str, Any]:
    """Return the predicate's result and its three lists.

    A step on a host passed if it is `ok` or `changed`. `planned` and `skipped` are warnings: nothing was done
    or checked. Everything else failed, including `unknown`, `interrupted` and `unreachable`. A run that succeeded
    in spite of warnings, or of steps that failed first and were repeated, is WARNED.

    Args:
        status: The run's.
        tests: Its steps, per host.
    """
    passed: list[str] = []
    warned: list[str] = []
    failed: list[str] = []
    for test in tests:
        (passed if test.status in _PASSED else warned if test.status in _WARNED else failed).append(test.name)
    if status not in _PASSED | _WARNED:
        result = "FAILED"
    elif status in _WARNED or warned or failed:
        result = "WARNED"
    else:
        result = "PASSED"
    return {"result": result, "passedTests": passed, "warnedTests": warned, "failedTests": failed}


def make(
    record: RunRecord, subjects: Mapping[str, str], sealed: Mapping[str, Any], url: str | None = None
) -> dict[str, Any]:
    """Return the statement about a run.

    Args:
        record: The run's record, from its journal.
        subjects: The SHA-256 of each file of evidence, by its name in the run directory.
        sealed: Who seals the run, where, when, and whether later than at its end.
        url: The address of the CI job, if any.
    """
    tests = [
        StepResult(step.number, step.title, host.host, host.status)
        for step in record.steps
        for host in step.hosts
    ]
    result = outcome(record.status, tests)
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": digest}} for name, digest in sorted(subjects.items())
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": result["result"],
            "configuration": _configuration(record, subjects),
            **({"url": url} if url else {}),
            **{name: result[name] for name in ("passedTests", "warnedTests", "failedTests")},
            EXTENSION: _run(record, sealed),
        },
    }


def _configuration(record: RunRecord, subjects: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the run's inputs: its parameters, the notebook file, and the commit that its runbook comes from."""
    given: list[dict[str, Any]] = [
        {"name": name, "digest": {"sha256": subjects[name]}} for name in (PARAMETERS,) if name in subjects
    ]
    if record.notebook_file.get("sha256"):
        given.append(
            {"name": f"{record.runbook}.ipynb", "digest": {"sha256": record.notebook_file["sha256"]}}
        )
    if record.source.get("commit"):
        given.append(
            {
                "name": SOURCE,
                "digest": {"gitCommit": record.source["commit"]},
                "annotations": {"uncommitted": bool(record.source.get("uncommitted", True))},
            }
        )
    return given


def _run(record: RunRecord, sealed: Mapping[str, Any]) -> dict[str, Any]:
    run = record.model_dump(
        mode="json",
        include={
            "run", "runbook", "mode", "status", "operator", "machine", "hosts", "started", "ended", "incomplete",
        },
    )  # fmt: skip
    return {**run, "sealed": dict(sealed)}
