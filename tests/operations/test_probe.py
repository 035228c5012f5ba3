"""What the checks of expected failures say of a failure that is not the expected one."""

from __future__ import annotations

import pytest

from runbook_lib.facts.answer import Answer, Answered
from runbook_lib.facts.base import Facts
from runbook_lib.operations.probe import Fails


@pytest.mark.parametrize(
    ("answered", "observed", "holds"),
    [
        (Answered(1, "100% packet loss"), "fails: 100% packet loss", True),
        (
            Answered(1, "Error: No such container: asks"),
            "fails for another reason: Error: No such container: asks",
            False,
        ),
        (Answered(0, "100% packet loss"), "succeeds: 100% packet loss", False),
        (Answered(124, ""), "fails for another reason: no answer within 5 s", False),
    ],
)
def test_a_failure_for_another_reason_does_not_read_like_the_expected_one(
    answered: Answered, observed: str, *, holds: bool
) -> None:
    operation = Fails("no reply", ("ping", "192.0.2.1"), ("100% packet loss",), container="asks")
    (fact,) = operation.facts()
    assert isinstance(fact, Answer)
    (check,) = operation.verify(Facts({fact: answered}))
    assert (check.observed, check.holds) == (observed, holds)
