"""A loop over batches of hosts: which batch it has reached, which hosts of it have failed, which are untouched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runbook_lib.model.status import BAD

if TYPE_CHECKING:
    from runbook_lib.model.batches import Batch
    from runbook_lib.model.records import StepRecord

__all__ = ["Rollout"]


@dataclass
class Rollout:
    """A loop over batches that is being carried out.

    Args:
        batches: All batches.
        max_failed: How many hosts of a batch may fail before the others are left alone.
        steps: The run's steps, which grow.
        begun: How many batches have begun.
        left: Whether the notebook has left the loop.
    """

    batches: list[Batch]
    max_failed: int
    steps: list[StepRecord]
    begun: int = 0
    left: bool = False
    _first_step: int = field(default=0, init=False)
    _start: int = field(init=False)

    def __post_init__(self) -> None:
        self._start = len(self.steps)

    @property
    def current(self) -> Batch | None:
        """The batch that began last; None before the first one."""
        return self.batches[self.begun - 1] if self.begun else None

    def begin_next(self) -> Batch:
        """Begin the next batch and return it."""
        self.begun += 1
        self._first_step = len(self.steps)
        return self.batches[self.begun - 1]

    def failed(self) -> list[str]:
        """Return the hosts of the current batch that have failed in a step since it began."""
        bad = {
            host.host for step in self.steps[self._first_step :] for host in step.hosts if host.status in BAD
        }
        return [name for name in self.current or () if name in bad]

    def tolerates(self, step: StepRecord) -> bool:
        """Whether the run may continue although hosts failed in its latest step: few, and of this batch."""
        failed = self.failed()
        others = {host.host for host in step.hosts if host.status in BAD}.difference(failed)
        return not self.left and not others and len(failed) <= self.max_failed

    def untouched(self) -> list[str]:
        """Return the hosts of batches that have not begun, without those that a step has worked on nevertheless."""
        touched = {host.host for step in self.steps[self._start :] for host in step.hosts}
        return [name for batch in self.batches[self.begun :] for name in batch if name not in touched]
