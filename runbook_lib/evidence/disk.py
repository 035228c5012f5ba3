"""The error for evidence that cannot be written to disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["cannot_write"]


def cannot_write(path: Path, problem: OSError) -> EvidenceError:
    """Return the error for evidence that cannot be written to `path`."""
    return EvidenceError(
        f"cannot write the evidence: {problem.strerror or problem}",
        where=str(path),
        hint="free disk space for the run directory (parameter `runs`), then run again; nothing more was sent to hosts",
    )
