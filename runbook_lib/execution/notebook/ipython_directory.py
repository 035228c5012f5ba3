"""The directory in which a kernel's IPython keeps its profile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError
from runbook_lib.project import expanded

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["VARIABLE", "usual_directory_is_usable"]

VARIABLE = "IPYTHONDIR"
"""Environment variable with the directory; otherwise it is `~/.ipython`."""


def usual_directory_is_usable() -> bool:
    """Return whether IPython can write to its directory, or make it.

    If not, it says so on standard error, and makes temporary directories that nobody removes: for a user whose home
    directory does not exist, as that of many services, each kernel would.
    """
    try:
        directory = expanded(os.environ.get(VARIABLE) or "~/.ipython")
    except InputError:  # no home directory is known
        return False
    return _is_writable(directory if os.path.exists(directory) else directory.parent)  # noqa: PTH110 - never raises


def _is_writable(directory: Path) -> bool:
    return os.path.isdir(directory) and os.access(directory, os.W_OK)  # noqa: PTH112 - as above
