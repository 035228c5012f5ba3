"""Write a report's file whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.atomic import replace_file, replace_file_by_pieces, write_fully
from runbook_lib.errors import EvidenceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "as_evidence_error",
    "is_standard_output",
    "make_directory",
    "write_file",
    "write_file_by_pieces",
    "write_named_file",
]

_STDOUT = "-"  # what a person writes for it
_STDOUT_DESCRIPTOR = 1


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


def is_standard_output(output: str) -> bool:
    """Return whether an output that a person named is standard output: `-`, or a path of it such as `/dev/stdout`."""
    if output == _STDOUT:
        return True
    try:
        return os.path.samestat(Path(output).stat(), os.fstat(_STDOUT_DESCRIPTOR))
    except (OSError, ValueError):  # no such file yet; standard output is closed; a NUL in the path
        return False


def write_named_file(path: Path, data: bytes) -> None:
    """Write a report to a path that a person named, as a shell's `>` would, but a regular file in one step.

    A link stays, and the file that it leads to is replaced. A pipe or a character device, such as `/dev/null`, gets
    the report and is not replaced.

    Raises:
        EvidenceError: The path cannot be written.
    """
    with as_evidence_error(path):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            mode = stat.S_IFREG  # a new file, or a link to one
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            replace_file(path.resolve(), data)
            return
        if stat.S_ISBLK(mode):
            raise OSError(errno.EINVAL, "it is a block device")
        stream = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            write_fully(stream, data)
        finally:
            os.close(stream)


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
