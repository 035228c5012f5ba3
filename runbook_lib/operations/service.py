"""systemd services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.service import Service
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Running", "running"]


@dataclass(frozen=True)
class Running(Operation):
    """A service is running and starts at boot.

    Args:
        unit: As `docker.service`.
    """

    unit: str

    @property
    def settle(self) -> float:
        """A service may need some seconds to be active."""
        return 20.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the unit's state."""
        return (Service(self.unit),)

    def plan(self, facts: Facts) -> Plan:
        """Enable and start the service where needed."""
        state = facts[Service(self.unit)]
        if not state.loaded:
            raise PlanRefused(f"there is no unit {self.unit}", hint="install the software first")
        commands = []
        if not state.enabled:
            commands.append(Command(("systemctl", "enable", self.unit), sudo=True, purpose="start at boot"))
        if state.active != "active":
            commands.append(
                Command(("systemctl", "reset-failed", self.unit), sudo=True, purpose="clear earlier failures")
            )
            commands.append(Command(("systemctl", "start", self.unit), sudo=True, purpose="start now"))
        return Plan(commands=tuple(commands))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the service is active and enabled."""
        state = facts[Service(self.unit)]
        return [
            Check.equal(f"{self.unit} is active", "active", state.active, "service.active"),
            Check.equal(
                f"{self.unit} starts at boot",
                expected=True,
                observed=state.enabled,
                id="service.enabled",
            ),
        ]


running = Running
