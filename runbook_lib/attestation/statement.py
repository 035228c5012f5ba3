"""What an attestation says: an in-toto Statement v1 with the predicate `test-result` v0.1.

Sources: the in-toto attestation framework's `spec/v1/statement.md` and `spec/predicates/test-result.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runbook_lib.model.records import RunRecord

__all__ = ["EXTENSION", "PREDICATE_TYPE", "STATEMENT_TYPE", "Trial", "make", "outcome"]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
EXTENSION = "runbookRun"
"""The predicate's one field that is ours: what a test result has no words for."""

_PASSED = frozenset({Status.OK, Status.CHANGED})
_WARNED = frozenset({Status.PLANNED, Status.SKIPPED})


class Trial(NamedTuple):
    """One step on one host; what could not be told how it ended is `unknown`."""

    step: int
    title: str
    host: str
    status: str

    @property
    def name(self) -> str:
        """The name under which the predicate lists it."""
        return f"{self.step} {self.title} [{self.host}]"


def outcome(status: str, tests: Iterable[Trial]) -> dict[str, Any]:
    """Return the predicate's result and its three lists.

    A step on a host passed where it is `ok` or `changed`. `planned` and `skipped` warn: nothing was done
    or looked at. Everything else failed: `unknown`, `interrupted` and `unreachable` too. A run that ended
    well in spite of warnings or of steps that were made good later is WARNED.

    Args:
        status: The run's.
        tests: Its steps, host by host.
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
        record: The run, as its journal tells it.
        subjects: The sha256 of each file of evidence, by its name in the run directory.
        sealed: Who seals, where, when, and whether that is at the run's end or later.
        url: Where the run can be seen, as a CI job's address.
    """
    tests = [
        Trial(step.number, step.title, host.host, host.status) for step in record.steps for host in step.hosts
    ]
    told = outcome(record.status, tests)
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": digest}} for name, digest in sorted(subjects.items())
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": told["result"],
            "configuration": _configuration(record, subjects),
            **({"url": url} if url else {}),
            **{name: told[name] for name in ("passedTests", "warnedTests", "failedTests")},
            EXTENSION: _run(record, sealed),
        },
    }


def _configuration(record: RunRecord, subjects: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what the run was given: its parameters, and the commit its runbook comes from."""
    given: list[dict[str, Any]] = [
        {"name": name, "digest": {"sha256": subjects[name]}}
        for name in ("parameters.yml",)
        if name in subjects
    ]
    if record.source.get("commit"):
        given.append(
            {
                "name": f"notebooks/{record.runbook}.ipynb",
                "digest": {"gitCommit": record.source["commit"]},
                "annotations": {"uncommitted": bool(record.source.get("uncommitted", True))},
            }
        )
    return given


def _run(record: RunRecord, sealed: Mapping[str, Any]) -> dict[str, Any]:
    told = record.model_dump(
        mode="json",
        include={
            "run", "runbook", "mode", "status", "operator", "machine", "hosts", "started", "ended", "incomplete",
        },
    )  # fmt: skip
    return {**told, "sealed": dict(sealed)}
