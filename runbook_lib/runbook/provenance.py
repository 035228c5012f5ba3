"""The provenance of a run: operator, machine, source, versions."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
from typing import TYPE_CHECKING, Any

from runbook_lib.model.records import RunRecord
from runbook_lib.process_identity import boot_id, start_ticks
from runbook_lib.project import operator, project_top
from runbook_lib.runbook.recorder import now
from runbook_lib.runbook.run_directory import JOB

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.inventory import Host, Inventory
    from runbook_lib.parameters import Parameters
    from runbook_lib.runbook.resume import EarlierRun

__all__ = ["Source", "new_run_record", "source_state", "versions"]

_PACKAGES = ("runbook-lib", "papermill", "fabric", "paramiko", "docker", "pandas", "pydantic")
Source = dict[str, Any]


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a run depends on; cached: this process has loaded them."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def source_state() -> Source:
    """Return the git commit of the runbooks and whether there are uncommitted changes; empty outside git."""
    top = project_top()

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(top), *arguments], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return {}
    return {
        "commit": commit,
        "uncommitted": bool(git("status", "--porcelain", "--", "notebooks", "runbook_lib")),
    }


def new_run_record(
    parameters: Parameters, inventory: Inventory, hosts: list[Host], path: Path, earlier: EarlierRun | None
) -> RunRecord:
    """Return the record of a run that starts now, in this process.

    Args:
        parameters: The run's parameters.
        inventory: The inventory that the hosts come from.
        hosts: The selected hosts.
        path: The run's directory; its name is the run's id.
        earlier: The run that is resumed, if any.
    """
    return RunRecord(
        run=path.name,
        runbook=parameters.runbook,
        title=parameters.title,
        mode=parameters.run_mode,
        started=now(),
        operator=operator(),
        machine=platform.node(),
        pid=os.getpid(),
        pid_began=start_ticks(os.getpid()),
        boot=boot_id(),
        source=source_state(),
        versions=versions(),
        inventory=str(inventory.path or ""),
        hosts=[host.name for host in hosts],
        lab=next((host.lab for host in hosts if host.lab), None),
        parameters=parameters.model_dump(mode="json"),
        on_failure=parameters.on_failure,
        resumes=earlier.record.run if earlier else None,
        resumes_sha256=earlier.journal_sha256 if earlier else "",
        unit=os.environ.get(JOB, ""),
    )
