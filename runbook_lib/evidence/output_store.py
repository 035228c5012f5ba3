"""Store outputs that are too large for a record, under their SHA-256."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING

from runbook_lib.atomic import PartialFile
from runbook_lib.evidence.disk import cannot_write as _cannot_write

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["OutputFile", "OutputStore"]


class OutputStore:
    """Outputs that are too large for a record: one file per output, named after its SHA-256."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @staticmethod
    def digest(whole: bytes) -> str:
        """Return the SHA-256 that identifies an output."""
        return hashlib.sha256(whole).hexdigest()

    def put(self, whole: bytes) -> str:
        """Store an output and sync it to disk; return its SHA-256.

        Raises:
            EvidenceError: The output cannot be written.
        """
        digest = self.digest(whole)
        if (self.directory / digest).exists():
            return digest
        file = self.open()
        file.write(whole)
        return file.close()

    def open(self) -> OutputFile:
        """Start an output that is written piece by piece.

        Raises:
            EvidenceError: The output cannot be written.
        """
        return OutputFile(self.directory)


class OutputFile:
    """One output being written; the file gets its final name when it is complete.

    Args:
        directory: Where the file is stored; created if missing.

    Raises:
        EvidenceError: The directory is not writable.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._hash = hashlib.sha256()
        self.size = 0
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            _refuse_links(directory)
            self._part = PartialFile(directory)
        except OSError as problem:
            raise _cannot_write(directory, problem) from problem

    def write(self, piece: bytes) -> None:
        """Write the next bytes.

        Raises:
            EvidenceError: They cannot be written; the partial file is removed.
        """
        try:
            self._part.write(piece)
        except OSError as problem:
            self.discard()
            raise _cannot_write(self._directory, problem) from problem
        self._hash.update(piece)
        self.size += len(piece)

    def close(self) -> str:
        """Complete the file and sync it to disk; return its SHA-256, which is also its name.

        Raises:
            EvidenceError: The file cannot be written; the partial file is removed.
        """
        digest = self._hash.hexdigest()
        try:
            self._part.commit(self._directory / digest, durable=True)
        except OSError as problem:
            self.discard()
            raise _cannot_write(self._directory / digest, problem) from problem
        return digest

    def discard(self) -> None:
        """Remove the partial file."""
        self._part.discard()


def _refuse_links(directory: Path) -> None:
    """Refuse a directory that is a link, or in a run directory that is one: it could lead to another run."""
    if directory.is_symlink() or directory.parent.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
