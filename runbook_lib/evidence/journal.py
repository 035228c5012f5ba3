"""Write a run's journal: append-only, each line on disk before `append` returns, each chained to the one before.

Each line also ends with a seal of its own, since nothing comes after the last one to vouch for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.atomic import sync_directory
from runbook_lib.errors import EvidenceError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FIRST", "Journal", "OutputFile", "OutputStore", "chain", "is_sealed", "seal"]

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


@dataclass(frozen=True)
class _End:
    """Where a journal ends: its last line's number and hash, and its size."""

    number: int = 0
    size: int = 0
    chain: str = FIRST


class Journal:
    """The journal's only writer.

    Args:
        path: The file; it must not exist yet.
        mask: Takes secret values out of what is written.

    Raises:
        EvidenceError: It exists already, or the directory cannot be written.
    """

    def __init__(self, path: Path, mask: Callable[[Any], Any] = lambda data: data) -> None:
        self.path = path
        self._mask = mask
        self._lock = threading.Lock()
        self._disk = threading.Lock()
        self._written = self._safe = _End()
        self._failures: list[OSError] = []
        self._noted = 0
        self._lost: OSError | None = None
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sync_directory(path.parent)
        except OSError as problem:
            raise _cannot_write(path, problem) from problem

    def append(self, event: str, **data: Any) -> None:  # noqa: ANN401 - any JSON
        """Write one line and wait until it is on disk.

        Lines of several threads that come while the disk is at work go there together, at its next turn.

        Args:
            event: What happened: `run_started`, `command_ended`, …
            data: JSON-ready values.

        Raises:
            EvidenceError: It cannot be written; the journal is left as it was before.
        """
        line, failures = self._put(event, data)
        with self._disk:
            if len(self._failures) == failures and self._safe.number < line:
                self._sync()
            if len(self._failures) > failures:
                problem = self._failures[failures]
                raise _cannot_write(self.path, problem) from problem

    def note(self, event: str, **data: Any) -> None:  # noqa: ANN401 - any JSON
        """Write one line and do not wait: it is on disk before the next `append` of any thread returns.

        For what is told of something that has happened, where nothing follows from it before the next `append`.
        A line that then cannot be brought to disk ends the journal: every later line is refused.

        Args:
            event: What happened: `command_ended`, …
            data: JSON-ready values.

        Raises:
            EvidenceError: It cannot be written; the journal is left as it was before.
        """
        self._put(event, data, waits=False)

    def _put(self, event: str, data: dict[str, Any], *, waits: bool = True) -> tuple[int, int]:
        """Write one line; return its number, and how often the disk had failed by then."""
        told = self._mask(data)
        with self._lock:
            self._write(event, told)
            if not waits:
                self._noted = self._written.number
            return self._written.number, len(self._failures)

    def _write(self, event: str, data: dict[str, Any]) -> None:
        if self._lost:
            raise _cannot_write(self.path, self._lost)
        end = self._written
        entry = {
            "n": end.number + 1,
            "time": datetime.now(UTC).isoformat(),
            "event": event,
            **data,
            "previous": end.chain,
        }
        line = seal(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())
        try:
            _write_whole(self._file, line + b"\n")
        except OSError as problem:
            # A line cut in the middle would make a sound journal look tampered with.
            os.ftruncate(self._file, end.size)
            raise _cannot_write(self.path, problem) from problem
        self._written = _End(end.number + 1, end.size + len(line) + 1, chain(line))

    def _sync(self) -> None:
        """Bring to disk what is written so far; others may write meanwhile."""
        with self._lock:
            end = self._written
        try:
            os.fsync(self._file)
        except OSError as problem:
            # None of the lines that wait for the disk is known to be there: all are taken back.
            with self._lock:
                os.ftruncate(self._file, self._safe.size)
                if self._noted > self._safe.number:
                    self._lost = problem  # whoever noted a line does not wait, and would never hear of it
                self._written = self._safe
                self._failures.append(problem)
        else:
            self._safe = end

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


def _write_whole(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _cannot_write(path: Path, problem: OSError) -> EvidenceError:
    return EvidenceError(
        f"the evidence cannot be written: {problem.strerror or problem}",
        where=str(path),
        hint="free or mount space for the run directory (parameter `runs`), then run again; nothing more was sent",
    )
