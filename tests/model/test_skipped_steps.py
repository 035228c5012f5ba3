"""What was skipped is said with steps, hosts and reasons."""

from __future__ import annotations

from datetime import UTC, datetime

from runbook_lib.model.records import HostRecord, StepRecord
from runbook_lib.model.skipped_steps import count_steps, describe_skipped
from runbook_lib.model.status import Status

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def step(number: int, **hosts: str | None) -> StepRecord:
    """Return a step; a host with a text was skipped for that reason."""
    records = [
        HostRecord(
            host=name,
            address=name,
            kind="operation",
            status=Status.OK if reason is None else Status.SKIPPED,
            message=reason or "",
        )
        for name, reason in hosts.items()
    ]
    return StepRecord(number=number, title=f"Step {number}", started=NOW, hosts=records)


def test_hosts_that_skipped_the_same_for_the_same_reason_are_named_together() -> None:
    steps = [
        step(1, a=None, b=None),
        step(2, a="a: no kernel\n  hint: x", b="no kernel"),
        step(3, a=None, b=None),
    ]
    assert describe_skipped(steps) == "step 2 of 3 was skipped on a and b: no kernel"
    assert count_steps(steps, Status.SKIPPED) == 1


def test_hosts_that_skipped_other_steps_are_named_apart() -> None:
    steps = [step(1, a="x", b=None), step(2, a="y", b=""), step(3, a="x", b=None)]
    assert describe_skipped(steps) == (
        "steps 1, 2 and 3 of 3 were skipped on a: x; y; step 2 of 3 was skipped on b: no reason was recorded"
    )
    assert count_steps(steps, Status.SKIPPED) == 3


def test_many_reasons_are_counted() -> None:
    steps = [step(number, a=f"reason {number}") for number in range(1, 6)]
    assert describe_skipped(steps).endswith(": reason 1; reason 2; reason 3; 2 more reasons")


def test_nothing_is_said_if_nothing_was_skipped() -> None:
    assert describe_skipped([step(1, a=None)]) == ""
