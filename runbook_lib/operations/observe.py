"""Read facts from a host and change nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Observe"]


@dataclass(frozen=True)
class Observe(Probe):
    """Every fact can be read and parsed.

    Args:
        wanted: The facts to read.
    """

    wanted: tuple[Fact[Any], ...]

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the facts to read."""
        return self.wanted

    def verify(self, facts: Facts) -> list[Check]:
        """Return one check; a fact that cannot be read fails the step earlier."""
        return [Check.equal("facts read", len(self.wanted), len(list(facts)), "facts.gathered")]

    def describe(self) -> str:
        """Return the facts' labels."""
        return f"observe({', '.join(fact.label for fact in self.wanted)})"
