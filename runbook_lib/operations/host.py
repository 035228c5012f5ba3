"""The host as a whole: rebooted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
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
"""The command that reboots a host; the same in every family of distributions."""


@dataclass(frozen=True)
class Rebooted(Operation):
    """No installed package requires a reboot.

    Refused where nothing on the host shows whether one does.

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
        """Return whether a reboot is required, the boot id, and the system's state."""
        return (RebootRequired(), BootId(), SystemState())

    def plan(self, facts: Facts) -> Plan:
        """Reboot if a package requires it."""
        required = facts[RebootRequired()]
        if required.required is None:
            raise PlanRefused(
                f"cannot determine whether a reboot is required: {required.reason}",
                hint="install what keeps track of it: unattended-upgrades (Debian, Ubuntu) or dnf-utils (EL)",
            )
        if not required.required:
            return Plan()
        return Plan(
            commands=(REBOOT,),
            reboot=Reboot(
                deadline=self.deadline, recovery="check the host's console, or have its provider reset it"
            ),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check that no reboot is required, and that services have settled."""
        required = facts[RebootRequired()]
        if required.required is None:
            observed = f"unknown: {required.reason}"
        elif required.required:
            observed = ", ".join(required.packages) or "an unknown package"
        else:
            observed = "nothing"
        return [
            Check(
                "reboot required by",
                "nothing",
                observed,
                required.required is False,
                "host.reboot_required",
            ),
            settled(facts[SystemState()]),
        ]


def settled(state: SystemStateInfo) -> Check:
    """Return the check that startup is finished. Failed units are shown; the reboot compares them with those before."""
    observed = f"{state.state} ({', '.join(state.failed)})" if state.failed else state.state
    return Check(
        "services have settled", "running or degraded", observed, holds=state.settled, id="host.settled"
    )


rebooted = Rebooted
