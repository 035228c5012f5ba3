"""Evidence is whatever somebody left there: what cannot be understood is a finding, not a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.audit.verify.verdict import Finding, Kind, Part
from runbook_lib.errors import RunbookError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["guarded"]

_NOT_AS_WRITTEN = (
    AttributeError,
    LookupError,
    OSError,
    RecursionError,
    RunbookError,
    TypeError,
    ValueError,
)


def guarded(part: Part, where: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a look at some part finds; a part that is not built as runs build it is one more finding."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except _NOT_AS_WRITTEN as problem:
        message = f"it holds what no run of ours writes: {type(problem).__name__}: {problem}"[:300]
        found.append(Finding(kind=Kind.ALTERED, part=part, where=where, message=message))
    return found
