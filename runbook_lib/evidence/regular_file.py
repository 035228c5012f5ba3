"""The one reader of files of evidence: it follows no link and waits for no pipe."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

__all__ = ["digest", "read", "read_first_line", "unreadable"]

_MOST = 1 << 30  # bytes; a larger file is not read into memory
_MOST_OF_LINE = 1 << 24  # bytes


def digest(path: Path) -> str:
    """Return a file's SHA-256; files of any size are read piece by piece.

    Raises:
        EvidenceError: The file cannot be read, or is not a regular file.
    """
    with _opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        EvidenceError: The file cannot be read, is not a regular file, or is too large.
    """
    with _opened(path) as file:
        if os.fstat(file.fileno()).st_size > _MOST:
            raise EvidenceError(f"larger than {_MOST >> 20} MiB: not read", where=str(path))
        return file.read()


def read_first_line(path: Path) -> bytes:
    """Return a file's first line with its end, or the beginning of a line of more than 16 MiB.

    Raises:
        EvidenceError: The file cannot be read, or is not a regular file.
    """
    with _opened(path) as file:
        return file.readline(_MOST_OF_LINE)


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    try:
        # A link could lead out of the archive; reading a pipe would never end.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise EvidenceError("not a regular file", where=str(path))
        with os.fdopen(handle, "rb") as file:
            yield file
    except OSError as problem:
        raise unreadable(path, problem) from problem


def unreadable(path: Path, problem: OSError) -> EvidenceError:
    """Return the error that says why a file cannot be read.

    Args:
        path: The file.
        problem: What reading it raised.
    """
    if Path(path).is_symlink():
        return EvidenceError("a symbolic link: links in a run directory are not followed", where=str(path))
    return EvidenceError(f"cannot be read: {problem.strerror or problem}", where=str(path))
