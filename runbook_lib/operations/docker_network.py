"""User-defined Docker networks, on which container names are resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.docker_network import Network
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Present", "present"]


@dataclass(frozen=True)
class Present(Operation):
    """A user-defined bridge network exists: containers on it find each other by name.

    Args:
        name: The network's name.
    """

    name: str

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the network."""
        return (Network(self.name),)

    def plan(self, facts: Facts) -> Plan:
        """Create the network if it does not exist."""
        network = facts[Network(self.name)]
        if network is None:
            create = ("docker", "network", "create", "--label", "io.runbook.network=1", self.name)
            return Plan(
                commands=(Command(create, sudo=True, purpose="a network that resolves container names"),)
            )
        if network.driver != "bridge":
            raise PlanRefused(
                f"network {self.name!r} exists with driver {network.driver!r}",
                hint="choose another network name",
            )
        return Plan()

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the network exists and is a bridge network."""
        network = facts[Network(self.name)]
        return [
            Check.equal(
                f"network {self.name}",
                "bridge",
                network.driver if network else "missing",
                "docker_network.driver",
            )
        ]


present = Present
