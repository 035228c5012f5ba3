"""The verdict of verification on a run of an archive, in a word and a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.errors import RunbookError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.audit.archive.archive import Archive

__all__ = ["NOT_VERIFIED", "RunVerdict", "verdict_of_run"]

NOT_VERIFIED = "not verified"
"""In place of a verdict: the run was not verified, and the reason says why."""
_NOT_REASONS = frozenset({"warning", "note"})
_MOST_REASONS = 3


@dataclass(frozen=True)
class RunVerdict:
    """A verdict.

    Args:
        word: `verified`, `unsigned`, `altered`, `incomplete` or `foreign`; or `NOT_VERIFIED`.
        reason: Why, in a sentence.
    """

    word: str
    reason: str


def verdict_of_run(archive: Archive, run: str, trust: Sequence[str | Path] = ()) -> RunVerdict:
    """Verify a run of an archive.

    Args:
        archive: The archive that has the run.
        run: Its id.
        trust: Trusted public keys, or folders of them; none: the project's `trusted_keys`.
    """
    try:
        verdict = verify_run(archive.locate(run), trust=trust or None)
    except RunbookError as problem:
        return RunVerdict(NOT_VERIFIED, problem.message)
    reasons = [finding.message for finding in verdict.findings if finding.kind not in _NOT_REASONS]
    return RunVerdict(str(verdict.verdict), "; ".join(reasons[:_MOST_REASONS]) or "no problem found")
