"""What is known of a run before its first step: who runs what, from where, on which hosts."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from runbook_lib.model.records import RunRecord
from runbook_lib.process_identity import began, boot
from runbook_lib.runbook import run_directory
from runbook_lib.runbook.recorder import now

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.inventory import Host, Inventory
    from runbook_lib.parameters import Parameters
    from runbook_lib.runbook.resume import Earlier

__all__ = ["first_record"]


def first_record(
    parameters: Parameters, inventory: Inventory, hosts: list[Host], path: Path, earlier: Earlier | None
) -> RunRecord:
    """Return the record of a run that begins now, in this process.

    Args:
        parameters: The run's.
        inventory: Where its hosts come from.
        hosts: Those that were chosen.
        path: Its directory, after which it is named.
        earlier: The run that it goes on with, if any.
    """
    return RunRecord(
        run=path.name,
        runbook=parameters.runbook,
        title=parameters.title,
        mode=parameters.run_mode,
        started=now(),
        operator=run_directory.who(),
        machine=platform.node(),
        pid=os.getpid(),
        pid_began=began(os.getpid()),
        boot=boot(),
        source=run_directory.source_state(),
        versions=run_directory.versions(),
        inventory=str(inventory.path or ""),
        hosts=[host.name for host in hosts],
        lab=next((host.lab for host in hosts if host.lab), None),
        parameters=parameters.model_dump(mode="json"),
        on_failure=parameters.on_failure,
        resumes=earlier.record.run if earlier else None,
        unit=os.environ.get(run_directory.UNIT, ""),
    )
