"""Docker images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.facts.image import Image
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Present", "present"]


@dataclass(frozen=True)
class Present(Operation):
    """An image is on the host.

    Args:
        name: With tag, as `runbook/redis-server:1`.
    """

    name: str

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the image."""
        return (Image(self.name),)

    def plan(self, facts: Facts) -> Plan:
        """Pull the image if it is missing."""
        if facts[Image(self.name)]:
            return Plan()
        pull = Command(
            ("docker", "pull", "--quiet", self.name), sudo=True, timeout=900, purpose="pull the image"
        )
        return Plan(commands=(pull,))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the image is present."""
        image = facts[Image(self.name)]
        return [
            Check(
                f"image {self.name}",
                "present",
                "present" if image else "missing",
                holds=bool(image),
                id="image.present",
            )
        ]


present = Present
