"""The provenance of a run: operator, machine, source, versions."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.host_settings import ENDPOINT
from runbook_lib.model.records import RunRecord
from runbook_lib.process_identity import boot_id, start_ticks
from runbook_lib.project import operator, project_top
from runbook_lib.runbook.notebook.named_notebook import find_notebook
from runbook_lib.runbook.notebook.run_directory import JOB, NOTEBOOK_FILE
from runbook_lib.runbook.source_files import head_commit, is_committed
from runbook_lib.runbook.steps.recorder import now

if TYPE_CHECKING:
    from runbook_lib.host_settings import Host
    from runbook_lib.inventory import Inventory
    from runbook_lib.parameters import Parameters
    from runbook_lib.runbook.steps.resume import EarlierRun

__all__ = ["Source", "new_run_record", "notebook_file", "source_state", "versions"]

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


def source_state(notebook: str) -> Source:
    """Return the git commit of the runbooks and whether there are uncommitted changes; empty outside git.

    Args:
        notebook: The path of the notebook that runs; empty if it is not known: then the changes are not known either.
    """
    top = project_top()
    commit = head_commit(top)
    if commit is None:
        return {}
    return {"commit": commit, "uncommitted": not is_committed(top, commit, notebook)}


def notebook_file() -> dict[str, str]:
    """Return path and SHA-256 of the notebook file that this kernel executes; empty if neither is known.

    Our engine passes a kernel both; Jupyter's server, VS Code and IPython pass the path. `source_sha256` is of what
    counts as the notebook's source alone: a file that is worked with by hand has outputs too.
    """
    given, _, expected = os.environ.get(NOTEBOOK_FILE, "").rpartition(" ")
    path = Path(given) if given else find_notebook()
    found = {"path": given, "sha256": expected} if given else {}
    try:
        data = path.read_bytes() if path else None
    except OSError:
        data = None
    digest = hashlib.sha256(data).hexdigest() if data is not None else ""
    if data is None or digest != (expected or digest):
        return found
    found = {"path": str(path), "sha256": digest}
    try:
        return {**found, "source_sha256": Notebook.parse(data, path.name if path else "").source_sha256()}
    except EvidenceError:
        return found


def _endpoint(host: Host) -> dict[str, Any]:
    """Return how a host is reached; what is not set is left out."""
    return {name: value for name in ENDPOINT if (value := getattr(host, name)) is not None}


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
    notebook = notebook_file()
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
        source=source_state(notebook.get("path", "")),
        notebook_file=notebook,
        versions=versions(),
        inventory=str(inventory.path or ""),
        inventory_sha256=inventory.sha256,
        inventory_kind=inventory.kind,
        endpoints={host.name: _endpoint(host) for host in hosts},
        hosts=[host.name for host in hosts],
        lab=next((host.lab for host in hosts if host.lab), None),
        parameters=parameters.model_dump(mode="json"),
        on_failure=parameters.on_failure,
        resumes=earlier.record.run if earlier else None,
        resumes_sha256=earlier.journal_sha256 if earlier else "",
        unit=os.environ.get(JOB, ""),
    )
