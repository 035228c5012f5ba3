"""What a run has come to so far: which hosts are out, which steps count, the status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.model.status import Mode, Status, worst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.model.plans import Check
    from runbook_lib.model.records import StepRecord

__all__ = ["BAD", "Verdict", "broken"]

BAD = frozenset({Status.FAILED, Status.UNREACHABLE, Status.INTERRUPTED, Status.UNKNOWN})
"""Statuses with which a run does not end well."""


def broken(checks: Sequence[Check]) -> str:
    """Return what does not hold, in words; empty where all checks hold."""
    return "; ".join(
        f"{check.name}: expected {check.expected}, observed {check.observed}"
        for check in checks
        if not check.holds
    )


class Verdict:
    """Judge a run by its steps.

    Args:
        hosts: Names of the run's hosts.
        mode: What the run may do.
        stop: End the run at the first step that does not end well.
    """

    def __init__(self, hosts: Sequence[str], mode: Mode, *, stop: bool) -> None:
        self._hosts = hosts
        self._stop = stop
        # What only looks can look on; only a host that is gone is not asked again.
        self._loses_host = {Status.UNREACHABLE} if mode is Mode.VALIDATE else BAD
        self._out: dict[str, str] = {}
        self._steps: list[StepRecord] = []
        self._made_good: set[int] = set()
        self._given_up: StepRecord | None = None
        self.predicting = False

    @property
    def status(self) -> Status:
        """The status that decides; a step that ended the run and was made good by hand counts no more."""
        return worst([step.status for step in self._steps if step.number not in self._made_good])

    def out(self, host: str) -> str | None:
        """Return why a host is not worked on any more; None while it is."""
        return self._out.get(host)

    def note(self, step: StepRecord) -> bool:
        """Take a step in; return whether it ends the run."""
        self._steps.append(step)
        self._make_good(step)
        for host in step.hosts:
            self.predicting |= host.status is Status.PLANNED
            if host.status in self._loses_host:
                self._out.setdefault(host.host, f"step {step.number} {step.title!r} is {host.status}")
        nobody_left = all(host in self._out for host in self._hosts)
        return step.status is Status.INTERRUPTED or (step.status in BAD and (self._stop or nobody_left))

    def give_up(self, step: StepRecord) -> None:
        """Take note that a step ended the run.

        What comes after it comes by hand, from somebody who has mended something: papermill has stopped
        there. So all hosts are tried again, and that step may be made good.
        """
        self._given_up = step
        self._out.clear()

    def _make_good(self, step: StepRecord) -> None:
        before = self._given_up
        if before is None or step.title != before.title or not step.status.is_success:
            return
        if {host.host for host in step.hosts} == {host.host for host in before.hosts}:
            same = {told.number for told in self._steps if told.title == step.title}
            self._made_good |= {number for number in same if before.number <= number < step.number}
            self._given_up = None
