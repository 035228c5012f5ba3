"""The host as a whole: rebooted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.facts.host import BootId, SystemState
from runbook_lib.facts.kernel import RebootRequired
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan, Reboot
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.host import SystemStateInfo

__all__ = ["REBOOT", "Rebooted", "rebooted", "settled"]

REBOOT = Command(
    ("shutdown", "-r", "now"),
    sudo=True,
    may_cut_connection=True,
    safe_to_interrupt=False,
    timeout=60.0,
    purpose="reboot: the connection is cut",
)
"""The same program on every family."""


@dataclass(frozen=True)
class Rebooted(Operation):
    """Nothing installed waits for a reboot any more.

    Args:
        deadline: Seconds until the host must be back.
        settles: Seconds that its services may take to start after that.
    """

    deadline: float = 600.0
    settles: float = 120.0

    @property
    def settle(self) -> float:
        """Services start after SSH is back."""
        return self.settles

    def facts(self) -> Sequence[Fact[Any]]:
        """Return what asks for a reboot, which boot this is, and whether it has settled."""
        return (RebootRequired(), BootId(), SystemState())

    def plan(self, facts: Facts) -> Plan:
        """Reboot where it is asked for."""
        if not facts[RebootRequired()].required:
            return Plan()
        return Plan(
            commands=(REBOOT,),
            reboot=Reboot(
                deadline=self.deadline, recovery="look at its console or have its provider reset it"
            ),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check that nothing asks for one, and that the host has settled."""
        required = facts[RebootRequired()]
        told = ", ".join(required.packages) or "something installed"
        return [
            Check(
                "waits for a reboot",
                "nothing",
                told if required.required else "nothing",
                not required.required,
                "host.reboot_required",
            ),
            settled(facts[SystemState()]),
        ]


def settled(state: SystemStateInfo) -> Check:
    """Return the check that starting is over; which units failed is told, and judged against before by the reboot."""
    told = f"{state.state} ({', '.join(state.failed)})" if state.failed else state.state
    return Check("services have settled", "running or degraded", told, holds=state.settled, id="host.settled")


rebooted = Rebooted
