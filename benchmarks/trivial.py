"""Parameters of the benchmark's notebook."""

from __future__ import annotations

from typing import ClassVar

from runbook_lib.parameters import Parameters

__all__ = ["Trivial"]


class Trivial(Parameters):
    """Ten steps that do almost nothing."""

    runbook: ClassVar[str] = "trivial"
    title: ClassVar[str] = "Ten trivial steps"
