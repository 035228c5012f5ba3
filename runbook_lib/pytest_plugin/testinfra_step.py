"""One test of testinfra on one host as a step of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import NotApplicable
from runbook_lib.integrations.testinfra.exchange import SLICE, Ended, Exchange
from runbook_lib.integrations.testinfra.host_check import AskedCommand
from runbook_lib.masking import excerpt
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["PASSED", "TestStep"]

PASSED = "passed"
"""Name and text of the result of a test that passed."""

_LONGEST = 500  # characters of a failure in a check; pytest shows all of it


@dataclass(frozen=True, eq=False)
class TestStep(Probe):
    """One test on one host: what it asks is read, until it has ended.

    Args:
        title: The test's id.
        hostname: The host.
        exchange: Between the test and this step.
        results: How the test's phases ended.
        answered: What the test has asked, and has had answers to.
    """

    title: str
    hostname: str
    exchange: Exchange
    results: dict[str, str]
    answered: list[Fact[Any]] = field(default_factory=list)

    def facts(self) -> Sequence[Fact[Any]]:
        """Return no facts: the test asks for them."""
        return ()

    def further_facts(self, facts: Facts) -> Sequence[Fact[Any]] | None:
        """Hand over the last answer, and return the command that the test asks for next."""
        for fact in list(facts)[len(self.answered) :]:
            self.answered.append(fact)
            self.exchange.answer(facts[fact].output)
        wanted = self.exchange.wait(SLICE)
        if wanted is None:
            return None
        return () if isinstance(wanted, Ended) else (AskedCommand(len(self.answered) + 1, wanted),)

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - the test has had them
        """Return one check: the test passed.

        Raises:
            NotApplicable: The test was skipped.
        """
        if "failed" not in self.results and "skipped" in self.results:
            raise NotApplicable(f"skipped: {excerpt(self.results['skipped'], _LONGEST)}")
        observed = (
            self.results.get("failed") or self.results.get(PASSED) or "no result: the test was interrupted"
        )
        return [Check("the test", PASSED, excerpt(observed, _LONGEST), observed == PASSED, "test.result")]

    def describe(self) -> str:
        """Return the test's id."""
        return f"test({self.title})"
