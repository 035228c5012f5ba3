"""Write a run's journal: append-only, each line on disk before `append` returns, each chained to the one before.

Each line also ends with a seal of its own, since nothing comes after the last one to vouch for it.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runbook_lib.atomic import sync_directory
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.chain import FIRST, chain, seal
from runbook_lib.evidence.disk import cannot_write as _cannot_write
from runbook_lib.evidence.disk import write_whole as _write_whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Journal"]


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
        self._process = os.getpid()
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

    def append_nowait(self, event: str, **data: Any) -> None:  # noqa: ANN401 - any JSON
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
        if os.getpid() != self._process:
            raise EvidenceError(
                "a forked process must not write into the journal of the process it came from",
                where=str(self.path),
                hint="carry out steps in the process that opened the run; nothing was sent",
            )
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
