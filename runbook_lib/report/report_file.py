"""Write a report's file whole or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from runbook_lib.atomic import replace_file, replace_file_by_pieces
from runbook_lib.errors import EvidenceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["as_evidence_error", "make_directory", "write_file", "write_file_by_pieces"]


def make_directory(path: Path) -> None:
    """Create a directory for reports, with those above it, unless it exists.

    Raises:
        EvidenceError: The directory cannot be created.
    """
    with as_evidence_error(path):
        path.mkdir(parents=True, exist_ok=True)


def write_file(path: Path, data: bytes) -> None:
    """Replace a file in one step, so that the old report stays until the new one is complete.

    Raises:
        EvidenceError: The file cannot be written.
    """
    with as_evidence_error(path):
        replace_file(path, data)


def write_file_by_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Replace a file in one step, as `write_file`, with a report that need not be in memory as a whole.

    Raises:
        EvidenceError: The file cannot be written.
    """
    with as_evidence_error(path):
        replace_file_by_pieces(path, pieces)


@contextmanager
def as_evidence_error(path: Path) -> Iterator[None]:
    """Turn a failure to write a report into an error that names the path and says what to do."""
    try:
        yield
    except OSError as problem:
        raise EvidenceError(
            f"the report cannot be written: {problem.strerror or problem}",
            where=str(path),
            hint="name a writable path on a disk with free space, with --output",
        ) from problem
