"""The run that a resumed run has read: whether it is still the one it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.audit.verify.verdict import text_of
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.evidence.regular_file import digest

if TYPE_CHECKING:
    from runbook_lib.audit.verify.findings import Findings
    from runbook_lib.evidence.chain import JournalEntry

__all__ = ["follow_resumed"]


def follow_resumed(path: Path, start: JournalEntry, findings: Findings) -> None:
    """Compare the journal of the run that this run resumes, if it is next to it, with the one this run has read.

    Runs from before that was recorded name no SHA-256: there is nothing to compare.

    Args:
        path: The run directory.
        start: The start of the run, from its journal.
        findings: Gets what is found.
    """
    earlier, expected = text_of(start, "resumes"), text_of(start, "resumes_sha256")
    if not earlier or not expected:
        return
    file = path.resolve().parent / Path(earlier).name / JOURNAL
    where = f"{Path(earlier).name}/{JOURNAL}"
    if not file.parent.is_dir():
        findings.note("this run resumes a run that is not next to it: that run was not compared", where=where)
        return
    try:
        same = digest(file) == expected
    except EvidenceError as problem:
        findings.missing(f"the journal of the resumed run: {problem.message}", where=where)
        return
    if not same:
        findings.altered("changed after this run had resumed from it and skipped steps", where=where)
