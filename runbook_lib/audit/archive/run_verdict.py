"""What verification says of a run of an archive, in a word and a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.errors import RunbookError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.audit.archive.archive import Archive

__all__ = ["Told", "verdict"]

_NO_REASONS = frozenset({"warning", "note"})
_MOST_REASONS = 3


@dataclass(frozen=True)
class Told:
    """A verdict.

    Args:
        word: `verified`, `unsigned`, `altered`, `incomplete` or `foreign`; `not asked` where nothing can say.
        reason: Why, in a sentence.
    """

    word: str
    reason: str


def verdict(archive: Archive, run: str, trust: Sequence[Path] = ()) -> Told:
    """Return what verification says of a run.

    Args:
        archive: Where it is.
        run: Its id.
        trust: Public keys that count, or folders of them; none: the project's `trusted_keys`.
    """
    try:
        said = verify_run(archive.locate(run), trust=trust or None)
    except RunbookError as problem:
        return Told("not asked", problem.message)
    reasons = [finding.message for finding in said.findings if finding.kind not in _NO_REASONS]
    return Told(str(said.verdict), "; ".join(reasons[:_MOST_REASONS]) or "nothing was found wrong")
