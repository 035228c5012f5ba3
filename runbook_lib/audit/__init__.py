"""Runs read later: verified, an archive of them as tables, compared, judged by rules, and shown as pages."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runbook_lib.audit.archive.archive import Archive

__all__ = ["Archive"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute
    """Load `Archive` when it is asked for: a worker that reads files needs none of it."""
    if name == "Archive":
        return importlib.import_module("runbook_lib.audit.archive.archive").Archive
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
