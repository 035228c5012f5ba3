"""An operation that must be refused is only planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.facts.base import Facts
from runbook_lib.facts.container import Container
from runbook_lib.facts.image import Image, ImageState
from runbook_lib.operations import container, refusal

if TYPE_CHECKING:
    from runbook_lib.facts.base import Fact

SECOND = container.running("second", "redis:7")
MISSING: dict[Fact[Any], Any] = {Container("second"): None, Image("redis:7"): None}
READY: dict[Fact[Any], Any] = {Container("second"): None, Image("redis:7"): ImageState("sha256:1", ())}


@pytest.mark.parametrize(
    ("values", "reason", "holds", "observed"),
    [
        (MISSING, "is not on the host", True, "refused: image 'redis:7' is not on the host"),
        (MISSING, "port 6380 is in use", False, "refused: image 'redis:7' is not on the host"),
        (READY, "is not on the host", False, "not refused: 1 commands planned"),
    ],
    ids=["as-expected", "for-another-reason", "not-refused"],
)
def test_the_check_says_whether_and_why_it_was_refused(
    *,
    values: dict[Fact[Any], Any],
    reason: str,
    holds: bool,
    observed: str,
) -> None:
    probe = refusal.expected(SECOND, reason)
    (check,) = probe.verify(Facts(values))
    assert (check.holds, check.observed) == (holds, observed)
    assert check.expected == f"refused: {reason}"


def test_nothing_is_ever_planned_and_the_same_facts_are_read() -> None:
    probe = refusal.expected(SECOND, "is not on the host")
    assert probe.plan(Facts(READY)).commands == ()
    assert probe.facts() == SECOND.facts()
    assert list(probe.further_facts(Facts(MISSING)) or ()) == []


def test_the_record_shows_the_operation_and_the_reason() -> None:
    described = refusal.expected(SECOND, "is not on the host").describe()
    assert described.startswith("refusal.Expected(container.Running(name='second'")
    assert described.endswith("reason='is not on the host')")
