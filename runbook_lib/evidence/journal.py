"""Write a run's journal: append-only and hash-chained; a line is on disk before `append` returns.

Each line also ends with a seal over itself, because no later line protects the last one.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runbook_lib import file_lock
from runbook_lib.atomic import sync_directory, write_fully
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.chain import FIRST, chain, seal
from runbook_lib.evidence.disk import cannot_write as _cannot_write
from runbook_lib.printing.utf8 import utf8_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Journal"]


@dataclass(frozen=True)
class _End:
    """The end of a journal: number and hash of the last line, and the file's size."""

    number: int = 0
    size: int = 0
    chain: str = FIRST


class Journal:
    """The only writer of a journal.

    Args:
        path: The file; it must not exist yet.
        mask: Removes secret values from everything that is written.

    Raises:
        EvidenceError: The file exists already, or the directory is not writable.
    """

    def __init__(self, path: Path, mask: Callable[[Any], Any] = lambda data: data) -> None:
        self.path = path
        self._mask = mask
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._disk = threading.Lock()
        self._written = self._synced = _End()
        self._failures: list[OSError] = []
        self._unawaited = 0
        self._lost: OSError | None = None
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            file_lock.acquire(self._file)  # a new file: a reader may hold a lock, but only for a moment
            sync_directory(path.parent)
        except OSError as problem:
            raise _cannot_write(path, problem) from problem

    def append(self, event: str, **data: Any) -> None:  # noqa: ANN401 - any JSON
        """Write one line and wait until it is on disk.

        Lines written by several threads while a sync is in progress share the next sync.

        Args:
            event: What happened: `run_started`, `command_ended`, …
            data: JSON-ready values.

        Raises:
            EvidenceError: The line cannot be written; the journal is unchanged.
        """
        line, failures = self._put(event, data)
        with self._disk:
            if len(self._failures) == failures and self._synced.number < line:
                self._sync()
            if len(self._failures) > failures:
                problem = self._failures[failures]
                raise _cannot_write(self.path, problem) from problem

    def append_nowait(self, event: str, **data: Any) -> None:  # noqa: ANN401 - any JSON
        """Write one line without waiting; the line is on disk before the next `append` of any thread returns.

        For events that have already happened and on which nothing depends before the next `append`. If such a line
        cannot be synced to disk, the journal is closed to further lines: every later call raises.

        Args:
            event: What happened: `command_ended`, …
            data: JSON-ready values.

        Raises:
            EvidenceError: The line cannot be written; the journal is unchanged.
        """
        self._put(event, data, wait=False)

    def _put(self, event: str, data: dict[str, Any], *, wait: bool = True) -> tuple[int, int]:
        """Write one line; return its number, and how many syncs had failed by then."""
        masked = self._mask(data)
        if os.getpid() != self._process:
            raise EvidenceError(
                "a forked process must not write to the journal of its parent process",
                where=str(self.path),
                hint="run steps in the process that opened the run; nothing was sent to hosts",
            )
        with self._lock:
            self._write(event, masked)
            if not wait:
                self._unawaited = self._written.number
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
        line = seal(utf8_bytes(json.dumps(entry, ensure_ascii=False, separators=(",", ":"))))
        try:
            write_fully(self._file, line + b"\n")
        except OSError as problem:
            # A truncated line would make a valid journal look tampered with.
            self._cut(end.size, problem)
            raise _cannot_write(self.path, problem) from problem
        self._written = _End(end.number + 1, end.size + len(line) + 1, chain(line))

    def _sync(self) -> None:
        """Sync all lines written so far to disk; other threads may write meanwhile."""
        with self._lock:
            end = self._written
        try:
            os.fsync(self._file)
        except OSError as problem:
            # It is unknown which of the unsynced lines reached the disk, so all of them are removed.
            with self._lock:
                self._cut(self._synced.size, problem)
                if self._unawaited > self._synced.number:
                    self._lost = problem  # `append_nowait` has returned already, so later calls must raise
                self._written = self._synced
                self._failures.append(problem)
        else:
            self._synced = end

    def _cut(self, size: int, problem: OSError) -> None:
        """Cut the file off after a problem; if that fails too, nothing may follow what is there."""
        try:
            os.ftruncate(self._file, size)
        except OSError:
            self._lost = problem

    def close(self) -> None:
        """Close the file without writing anything."""
        os.close(self._file)
