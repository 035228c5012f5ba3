"""Write evidence to disk completely, or raise an error that says why not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["cannot_write", "write_whole"]


def write_whole(file: int, data: bytes) -> None:
    """Write all of `data` to a file descriptor; a single `write` may be partial."""
    while data:
        data = data[os.write(file, data) :]


def cannot_write(path: Path, problem: OSError) -> EvidenceError:
    """Return the error for evidence that cannot be written to `path`."""
    return EvidenceError(
        f"cannot write the evidence: {problem.strerror or problem}",
        where=str(path),
        hint="free disk space for the run directory (parameter `runs`), then run again; nothing more was sent to hosts",
    )
