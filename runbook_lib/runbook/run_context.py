"""What the runs of one session have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runbook_lib.display import cards

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from runbook_lib.host_settings import Host
    from runbook_lib.inventory import Inventory
    from runbook_lib.parameters import Parameters
    from runbook_lib.runbook.host_pool import HostPool
    from runbook_lib.runbook.notebook.parent_process import ParentProcess
    from runbook_lib.secrets import Secrets

__all__ = ["RunContext"]


@dataclass(frozen=True)
class RunContext:
    """What the runs of one session have in common: a session starts another run after one has ended.

    Args:
        parameters: The runbook's parameters.
        inventory: The inventory that the hosts come from.
        hosts: The selected hosts.
        secrets: Resolves secret references, and masks every text that goes into the evidence.
        cancel: Set once the run is interrupted.
        parent: The process that started this kernel.
        pool: Threads that work on the hosts.
        ended_runs: Directories of the runs before: the one that is resumed, and those of the session.
    """

    parameters: Parameters
    inventory: Inventory
    hosts: list[Host]
    secrets: Secrets
    cancel: threading.Event
    parent: ParentProcess
    pool: HostPool
    ended_runs: list[Path] = field(default_factory=list)

    @property
    def by_hand(self) -> bool:
        """Whether a person carries the runs out in a notebook, without our engine."""
        return cards.in_notebook() and not self.parent.known
