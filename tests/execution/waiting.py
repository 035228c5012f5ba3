"""Parameters of a runbook that waits."""

from __future__ import annotations

from tests.core import doing

__all__ = ["Practice"]


class Practice(doing.Practice):
    place: str
    seconds: str
