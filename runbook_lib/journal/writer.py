"""Write a run's journal: append-only, each line on disk before `append` returns, each chained to the one before.

Each line also ends with a seal of its own, since nothing comes after the last one to vouch for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import EvidenceError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FIRST", "Journal", "OutputStore", "chain", "is_sealed", "seal"]

FIRST = "0" * 64
"""What the first line carries in place of a line before it."""
_SEAL = b',"seal":"%s"}'


def chain(line: bytes) -> str:
    """Return the hash by which the next line refers to `line` (its bytes without the newline)."""
    return hashlib.sha256(line).hexdigest()


def seal(body: bytes) -> bytes:
    """Return a line, a JSON object, with its own hash as one more value at its end."""
    return body[:-1] + _SEAL % chain(body).encode()


def is_sealed(line: bytes) -> bool:
    """Return whether a line ends with the seal of what comes before it."""
    return seal(line[: -len(_SEAL % FIRST.encode())] + b"}") == line


class Journal:
    """The journal's only writer.

    Args:
        path: The file; it must not exist yet.

    Raises:
        EvidenceError: It exists already, or the directory cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._previous = FIRST
        self._number = 0
        self._size = 0
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _sync_directory(path.parent)
        except OSError as problem:
            raise _cannot_write(path, problem) from problem

    def append(self, event: str, **data: Any) -> None:  # noqa: ANN401 - any JSON
        """Write one line and wait until it is on disk.

        Args:
            event: What happened: `run_started`, `command_ended`, …
            data: JSON-ready values.

        Raises:
            EvidenceError: It cannot be written; the journal is left as it was before.
        """
        with self._lock:
            entry = {
                "n": self._number + 1,
                "time": datetime.now(UTC).isoformat(),
                "event": event,
                **data,
                "previous": self._previous,
            }
            line = seal(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())
            try:
                _write_whole(self._file, line + b"\n")
                os.fsync(self._file)
            except OSError as problem:
                # A line cut in the middle would make a sound journal look tampered with.
                os.ftruncate(self._file, self._size)
                raise _cannot_write(self.path, problem) from problem
            self._number += 1
            self._size += len(line) + 1
            self._previous = chain(line)

    def close(self) -> None:
        """Close the file; nothing is written by it."""
        os.close(self._file)


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
        target = self.directory / digest
        if target.exists():
            return digest
        part = self.directory / f".{digest}.{threading.get_ident()}.part"
        try:
            self.directory.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                _write_whole(handle, whole)
                os.fsync(handle)
            finally:
                os.close(handle)
            part.rename(target)
            _sync_directory(self.directory)
        except OSError as problem:
            with contextlib.suppress(OSError):
                part.unlink()
            raise _cannot_write(target, problem) from problem
        return digest


def _write_whole(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cannot_write(path: Path, problem: OSError) -> EvidenceError:
    return EvidenceError(
        f"the evidence cannot be written: {problem.strerror or problem}",
        where=str(path),
        hint="free or mount space for the run directory (parameter `runs`), then run again; nothing more was sent",
    )
