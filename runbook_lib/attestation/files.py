"""The files of a run directory that are evidence."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import OUTPUT as _OUTPUT
from runbook_lib.evidence.layout import SEALED
from runbook_lib.evidence.regular_file import unreadable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["evidence"]


def evidence(directory: Path) -> list[str]:
    """Return the names of a run directory's evidence, sorted: journal, notebooks, parameters, outputs.

    Raises:
        EvidenceError: The directory cannot be read, or `output` is a link out of it.
    """
    try:
        names = [
            entry.name
            for entry in os.scandir(directory)
            if entry.name in SEALED or entry.name.endswith(".ipynb")
        ]
        names += [f"{_OUTPUT}/{name}" for name in _outputs(directory / _OUTPUT)]
    except OSError as problem:
        raise unreadable(directory, problem) from problem
    return sorted(name for name in names if not name.startswith("."))


def _outputs(directory: Path) -> list[str]:
    if directory.is_symlink():
        raise EvidenceError(
            "a symbolic link: links in a run directory are not followed", where=str(directory)
        )
    if not directory.is_dir():
        return []
    # A name that begins with a dot is left from a write that was cut off.
    return [entry.name for entry in os.scandir(directory) if not entry.name.startswith(".")]
