"""Records of a run that do not count: an innocent copy, or one that shows that evidence was replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.evidence.layout import RUN_NAME

if TYPE_CHECKING:
    from runbook_lib.audit.archive.cache import FileEntry

__all__ = ["OTHER_CONTENT", "REPLACED", "as_copy"]

OTHER_CONTENT = "another record of this run, with other content"
"""How the problem of a copy begins that differs from the record that counts: nothing examines what it says."""
REPLACED = "in the directory of another run"
"""How the problem of a copy begins that has taken the place of another run's evidence."""


def as_copy(entry: FileEntry, counted: FileEntry, directory: str) -> FileEntry:
    """Return the entry of a record that does not count, with the reason.

    Args:
        entry: The record's entry.
        counted: The record of the same run that counts.
        directory: The name of the record's directory.
    """
    what = "another record of this run"
    if entry.kind == "run" and directory != entry.run and RUN_NAME.fullmatch(directory):
        what = f"{REPLACED}: {what}"
    elif entry.sha256 == counted.sha256:
        what = f"{what} with the same content"
    elif entry.kind == counted.kind:  # a notebook never has the content of a journal
        what = OTHER_CONTENT
    return entry._replace(kind="copy", part="", problem=f"{what}; the one that counts: {counted.path}")
