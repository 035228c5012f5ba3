"""Whole outputs that do not fit in a record, stored by their SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from runbook_lib.atomic import sync_directory
from runbook_lib.evidence.disk import cannot_write as _cannot_write
from runbook_lib.evidence.disk import write_whole as _write_whole

__all__ = ["OutputFile", "OutputStore"]


class OutputStore:
    """Whole outputs that do not fit in a record, one file each, named by sha256."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @staticmethod
    def digest(whole: bytes) -> str:
        """Return the sha256 by which an output is known, stored or not."""
        return hashlib.sha256(whole).hexdigest()

    def put(self, whole: bytes) -> str:
        """Store `whole` and return its sha256; on disk when this returns.

        Raises:
            EvidenceError: It cannot be written.
        """
        digest = self.digest(whole)
        if (self.directory / digest).exists():
            return digest
        file = self.open()
        file.write(whole)
        return file.close()

    def open(self) -> OutputFile:
        """Begin an output that is written piece by piece.

        Raises:
            EvidenceError: It cannot be written.
        """
        return OutputFile(self.directory)


class OutputFile:
    """One output on its way to disk; it has its name once it is whole.

    Args:
        directory: Made, where it is not there.

    Raises:
        EvidenceError: It cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._hash = hashlib.sha256()
        self._file = -1
        self.size = 0
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            self._file, name = tempfile.mkstemp(dir=directory, prefix=".", suffix=".part")
        except OSError as problem:
            raise _cannot_write(directory, problem) from problem
        self._part = Path(name)

    def write(self, piece: bytes) -> None:
        """Write the next bytes.

        Raises:
            EvidenceError: They cannot be written; what was written is taken away.
        """
        try:
            _write_whole(self._file, piece)
        except OSError as problem:
            self.discard()
            raise _cannot_write(self._directory, problem) from problem
        self._hash.update(piece)
        self.size += len(piece)

    def close(self) -> str:
        """End it and return its sha256, by which it is named; on disk when this returns.

        Raises:
            EvidenceError: It cannot be written; what was written is taken away.
        """
        digest = self._hash.hexdigest()
        try:
            os.fsync(self._file)
            self._part.rename(self._directory / digest)
            sync_directory(self._directory)
        except OSError as problem:
            self.discard()
            raise _cannot_write(self._directory / digest, problem) from problem
        os.close(self._file)
        return digest

    def discard(self) -> None:
        """Take away what was written."""
        with contextlib.suppress(OSError):
            os.close(self._file)
        with contextlib.suppress(OSError):
            self._part.unlink()
