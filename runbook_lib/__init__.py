"""Executable runbooks: notebooks that carry out procedures on real hosts and leave evidence.

PYTEST_DONT_REWRITE: it holds a plugin for pytest, which would otherwise warn where this was imported before.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runbook_lib.runbook.session import Runbook

__all__ = ["Runbook", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute
    """Load `Runbook` when it is asked for: the command line's `--help` needs none of it."""
    if name == "Runbook":
        return importlib.import_module("runbook_lib.runbook.session").Runbook
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
