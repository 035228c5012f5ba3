"""The rule that every scan applies: evidence that could not be read in full, which no other rule can see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.audit.archive.copies import OTHER_CONTENT, REPLACED
from runbook_lib.audit.rules.base import AuditRule, Context, Violation
from runbook_lib.evidence.journal_view import NO_JOURNAL_END
from runbook_lib.evidence.notebook_records import NO_NOTEBOOK_END

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EVIDENCE_NOT_READABLE", "EvidenceNotReadable", "runs_read"]

EVIDENCE_NOT_READABLE = "evidence-not-readable"
"""The rule's name. It is not an entry point: a policy can neither leave it out nor change it."""
# A run that is running, or whose process was killed, has no end: what it has done so far is in the tables.
_WHOLE = ["", NO_JOURNAL_END, NO_NOTEBOOK_END]
_IS_PARTIAL = "(f.kind = 'damaged' OR (f.kind IN ('run', 'notebook') AND NOT list_contains(?, f.problem)))"
_IS_SUSPECT = "(f.kind = 'copy' AND (starts_with(f.problem, ?) OR starts_with(f.problem, ?)))"
_PARTIAL = f"""
SELECT f.run, f.kind, f.path, f.problem FROM files f WHERE {_IS_PARTIAL} OR {_IS_SUSPECT} ORDER BY f.path
"""  # noqa: S608 - our own
_READ = f"""
SELECT count(*) AS runs FROM files f
WHERE f.kind IN ('run', 'notebook') AND NOT {_IS_PARTIAL} AND f.run IN (SELECT run FROM examined)
"""  # noqa: S608 - our own


class EvidenceNotReadable(AuditRule):
    """Evidence that is damaged, incomplete or replaced: what it hides is in no table, so no other rule can find it.

    An equal copy of a run is none. A copy that differs, or that is in the directory of another run, is one.
    """

    def find(self, context: Context) -> Iterator[Violation]:
        """Yield each such file once, whenever its run was started: a damaged file may not even say when."""
        for row in context.rows(_PARTIAL, _WHOLE, OTHER_CONTENT, REPLACED):
            if row["kind"] == "copy":
                message = f"no rule could examine this evidence: {row['path']}: {row['problem']}"
            elif row["kind"] == "damaged":
                message = f"no rule could examine this evidence: {row['problem']}"
            else:
                message = f"no rule could examine all of this evidence: {row['problem']}"
            detail = f"{row['path']}: {row['problem']}" if row["kind"] == "copy" else row["problem"]
            yield Violation(row["run"], message, detail=detail)


def runs_read(context: Context) -> int:
    """Return how many of the examined runs have evidence that was read in full.

    Args:
        context: The archive, and since when runs are examined.
    """
    (row,) = context.rows(_READ, _WHOLE)
    return int(row["runs"])
