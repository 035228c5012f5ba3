"""Compare a run's files with the digests that its seal names; who signed the seal is not looked at here.

Verification does more (`audit.verify`). This is what a run needs to know of an earlier run before resuming it, and
it is in this package because runs know neither attestations nor audits.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import ATTESTATION, JOURNAL
from runbook_lib.evidence.regular_file import read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["seal_problem"]


def seal_problem(directory: Path, journal: bytes) -> str:
    """Return how a run directory differs from its seal; empty if the two match, or if the run was never sealed.

    Args:
        directory: The run directory.
        journal: The bytes of its journal, as the caller has read and believes them.
    """
    path = directory / ATTESTATION
    if not path.exists() and not path.is_symlink():
        return ""
    try:
        subjects, run = _sealed(read(path))
    except (EvidenceError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as problem:
        return f"{ATTESTATION}: cannot be read: {problem}"[:200]
    if run != directory.resolve().name or JOURNAL not in subjects:
        return f"{ATTESTATION}: is not the seal of this run's journal"
    return _first_difference(directory, journal, subjects)


def _first_difference(directory: Path, journal: bytes, subjects: Mapping[str, str]) -> str:
    for name, digest in sorted(subjects.items()):
        try:
            data = journal if name == JOURNAL else read(directory / name)
        except EvidenceError as problem:
            return f"{name}: sealed, but {problem.message}"[:200]
        if hashlib.sha256(data).hexdigest() != digest:
            return f"{name}: changed after the run was sealed"
    return ""


def _sealed(data: bytes) -> tuple[dict[str, str], Any]:
    """Return the digest of each file that a seal covers, and the id of the run that it is for."""
    statement = json.loads(base64.b64decode(json.loads(data)["payload"], validate=True))
    subjects = {str(subject["name"]): str(subject["digest"]["sha256"]) for subject in statement["subject"]}
    if any(name.startswith("/") or ".." in name.split("/") for name in subjects):
        raise ValueError("names a file outside the run directory")
    return subjects, statement["predicate"]["runbookRun"]["run"]
