"""Parameters of a runbook that waits."""

from __future__ import annotations

from tests.runbook import practice

__all__ = ["Practice"]


class Practice(practice.Practice):
    place: str
    seconds: str
