"""What a comparison of two runs shows of each run itself: who ran what, on which hosts, from which files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook_lib.model.records import RunRecord

__all__ = ["about"]


def about(run: RunRecord) -> dict[str, str]:
    """Return what a run's record says of the run itself, by name; its endpoints, parameters and steps are elsewhere.

    Args:
        run: The run.
    """
    found = {
        "runbook": run.runbook,
        "mode": run.mode,
        "status": run.status,
        "hosts": ", ".join(run.hosts),
        "operator": run.operator,
        "machine": run.machine,
        "inventory": run.inventory,
        "inventory kind": run.inventory_kind,
        "inventory SHA-256": run.inventory_sha256,
        "lab": run.lab or "",
        "reason": run.message,
        "evidence": run.incomplete or "complete",
        "exposed secrets": run.exposed_secrets,
    }
    versions = {f"version of {name}": version for name, version in run.versions.items()}
    source = {f"source {name}": str(value) for name, value in run.source.items()}
    return {name: str(value) for name, value in {**found, **versions, **source, **_notebook(run)}.items()}


def _notebook(run: RunRecord) -> dict[str, str]:
    """Return which notebook file was executed. Outputs in it do not count, unless nothing but the whole file does."""
    file = run.notebook_file
    names = {"path": "notebook file", "source_sha256": "notebook source SHA-256"}
    if "source_sha256" not in file:
        names["sha256"] = "notebook file SHA-256"
    return {name: file[key] for key, name in names.items() if key in file}
