"""Operations that must be refused: an obstacle is shown, and nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.masking import excerpt
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Operation, Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Expected", "expected"]


@dataclass(frozen=True)
class Expected(Probe):
    """An operation would be refused, for a known reason. It is only planned, never carried out.

    Args:
        operation: The operation.
        reason: A part of the message with which it must be refused.
    """

    operation: Operation
    reason: str

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the facts that the operation plans from."""
        return self.operation.facts()

    def further_facts(self, facts: Facts) -> Sequence[Fact[Any]] | None:
        """Return what the operation asks for next."""
        return self.operation.further_facts(facts)

    def verify(self, facts: Facts) -> list[Check]:
        """Check that planning the operation is refused, and why."""
        try:
            plan = self.operation.plan(facts)
        except PlanRefused as refused:
            observed = f"refused: {refused.message}"
            holds = self.reason in refused.message
        else:
            observed = f"not refused: {len(plan.commands)} commands planned"
            holds = False
        name = f"{self.operation.describe().partition('(')[0]} is refused"
        return [Check(name, f"refused: {self.reason}", excerpt(observed, 300), holds, "refusal.reason")]

    def describe(self) -> str:
        """Return the operation and the reason."""
        return f"refusal.Expected({self.operation.describe()}, reason={self.reason!r})"


expected = Expected
