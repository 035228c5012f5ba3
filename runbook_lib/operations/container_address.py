"""Addresses of containers, which do not outlast a restart (book S8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.container import SPEC_LABEL, Container
from runbook_lib.facts.image import Image
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations import undo
from runbook_lib.operations.base import Operation
from runbook_lib.operations.container import IDLE
from runbook_lib.operations.container_conflicts import refuse_foreign, require_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.container import ContainerState

__all__ = ["Lost", "lost"]

_SPEC = "holds-an-address"


@dataclass(frozen=True)
class Lost(Operation):
    """A container has lost its address at a restart: another container took the address meanwhile.

    On a host that restarts this happens by chance, since containers start in any order. Here it is made to happen,
    once: as long as the other container has the address, there is nothing to do.

    Args:
        name: The container, which is running.
        network: The user-defined network on which it has the address; it was made with a subnet of its own.
        successor: Name of the container that takes the address.
        image: Image of that container; it must be on the host and have a shell and `sleep`.
    """

    name: str
    network: str
    successor: str
    image: str

    @property
    def settle(self) -> float:
        """A restarted container gets its address a moment later."""
        return 15.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return both containers and the image."""
        return (Container(self.name), Container(self.successor), Image(self.image))

    def plan(self, facts: Facts) -> Plan:
        """Stop the container, start the other one at its address, and start the container again."""
        container, successor = facts[Container(self.name)], facts[Container(self.successor)]
        refuse_foreign(self.name, container)
        refuse_foreign(self.successor, successor)
        require_image(self.image, facts[Image(self.image)])
        address = self._address(container)
        if self._address(successor) and address and address != self._address(successor):
            return Plan()
        if container is None or not container.running or not address:
            raise PlanRefused(
                f"container {self.name!r} is not running on the network {self.network!r}",
                hint="add a step with container.running(network=…) before this one",
            )
        stop = Command(("docker", "stop", self.name), sudo=True, purpose="the address becomes free")
        start = Command(
            ("docker", "start", self.name), sudo=True, purpose="the container gets another address"
        )
        remove = undo.remove_container(self.successor, "it does not hold the address")
        take = (
            *("docker", "run", "--detach", "--name", self.successor, "--restart", "unless-stopped"),
            *("--label", f"{SPEC_LABEL}={_SPEC}", "--network", self.network, "--ip", address),
            *(self.image, *IDLE),
        )
        commands = (
            *((remove,) if successor else ()),
            stop,
            Command(take, sudo=True, purpose="another container takes the address"),
            start,
        )
        return Plan(
            commands=commands,
            changes=(Change(f"address of {self.name}", address, "another one"),),
            # A successor that was there before is gone.
            rollback=() if successor else (remove, start),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check that both containers run, at different addresses of the network."""
        container, successor = facts[Container(self.name)], facts[Container(self.successor)]
        mine, taken = self._address(container), self._address(successor)
        return [
            Check(
                f"{self.name} is on {self.network}",
                "an address",
                mine or "none",
                bool(mine),
                "container_address.own",
            ),
            Check(
                f"{self.successor} has the former address of {self.name}",
                "an address",
                taken or "none",
                bool(taken),
                "container_address.taken",
            ),
            Check(
                f"{self.name} has another address than before",
                f"not {taken or 'known'}",
                mine or "none",
                bool(mine and taken) and mine != taken,
                "container_address.differs",
            ),
        ]

    def _address(self, container: ContainerState | None) -> str:
        return container.networks.get(self.network, "") if container and container.running else ""


lost = Lost
