"""The files of a run directory that are evidence, read without following links."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import OUTPUT as _OUTPUT
from runbook_lib.evidence.layout import SEALED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

__all__ = ["digest", "evidence", "read"]


_MOST = 1 << 30  # bytes; a larger file is not read into memory


def evidence(directory: Path) -> list[str]:
    """Return the names of a run directory's evidence, sorted: journal, notebooks, parameters, outputs.

    Raises:
        EvidenceError: The directory cannot be read, or `output` is a link out of it.
    """
    try:
        names = [
            entry.name
            for entry in os.scandir(directory)
            if entry.name in SEALED or entry.name.endswith(".ipynb")
        ]
        names += [f"{_OUTPUT}/{name}" for name in _outputs(directory / _OUTPUT)]
    except OSError as problem:
        raise _unreadable(directory, problem) from problem
    return sorted(name for name in names if not name.startswith("."))


def _outputs(directory: Path) -> list[str]:
    if directory.is_symlink():
        raise EvidenceError(
            "a symbolic link: links in a run directory are not followed", where=str(directory)
        )
    if not directory.is_dir():
        return []
    # A name that begins with a dot is left from a write that was cut off.
    return [entry.name for entry in os.scandir(directory) if not entry.name.startswith(".")]


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
        raise _unreadable(path, problem) from problem


def _unreadable(path: Path, problem: OSError) -> EvidenceError:
    if Path(path).is_symlink():
        return EvidenceError("a symbolic link: links in a run directory are not followed", where=str(path))
    return EvidenceError(f"cannot be read: {problem.strerror or problem}", where=str(path))
