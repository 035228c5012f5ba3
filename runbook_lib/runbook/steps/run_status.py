"""The status of a run so far: which steps count, and which hosts are excluded from further steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.model.status import BAD, Mode, Status, worst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.model.plans import Check
    from runbook_lib.model.records import StepRecord

__all__ = ["RunStatus", "describe_unmet"]


def describe_unmet(checks: Sequence[Check]) -> str:
    """Describe the checks that do not hold; empty if all of them hold."""
    return "; ".join(
        f"{check.name}: expected {check.expected}, observed {check.observed}"
        for check in checks
        if not check.holds
    )


class RunStatus:
    """The status of a run, computed from its steps.

    Args:
        hosts: Names of the run's hosts.
        mode: What the run may do.
        stop: End the run at the first failed step.
    """

    def __init__(self, hosts: Sequence[str], mode: Mode, *, stop: bool) -> None:
        self._hosts = hosts
        self._stop = stop
        # Validation changes nothing, so it can go on after a failure; only an unreachable host is not tried again.
        self._excluding = {Status.UNREACHABLE} if mode is Mode.VALIDATE else BAD
        self._excluded: dict[str, str] = {}
        self._steps: list[StepRecord] = []
        self.predicting = False
        self.refusals: list[str] = []
        """The steps that were refused before their record began, and why: these have failed."""

    @property
    def status(self) -> Status:
        """The worst status of all steps."""
        return worst([*(step.status for step in self._steps), *(Status.FAILED for _ in self.refusals)])

    @property
    def stops_at_refusal(self) -> bool:
        """Whether a refused step ends the run."""
        return self._stop and bool(self.refusals)

    def why_excluded(self, host: str) -> str | None:
        """Return why a host gets no further steps; None if it does."""
        return self._excluded.get(host)

    def exclude(self, host: str, reason: str) -> None:
        """Exclude a host from further steps."""
        self._excluded.setdefault(host, reason)

    def add(self, step: StepRecord, *, tolerated: bool = False) -> bool:
        """Add a finished step; return whether it ends the run.

        Args:
            step: The step.
            tolerated: Whether the run continues with the other hosts if hosts failed in it.
        """
        self._steps.append(step)
        for host in step.hosts:
            self.predicting |= host.status is Status.PLANNED
            if host.status in self._excluding:
                self._excluded.setdefault(host.host, f"step {step.number} {step.title!r} is {host.status}")
        no_host_left = all(host in self._excluded for host in self._hosts)
        stop = (self._stop and not tolerated) or no_host_left
        return step.status is Status.INTERRUPTED or (step.status in BAD and stop)
