"""Follow a journal while another process writes it."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from runbook_lib.evidence.layout import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["JournalFollower"]


class JournalFollower:
    """Read each line of a growing journal once.

    Args:
        run: The run's directory; its journal need not exist yet.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self._position = 0
        self._digest = hashlib.sha256()
        self._inode: int | None = None
        self.ended = False

    def new_entries(self) -> Iterator[dict[str, Any]]:
        """Yield the entries completed since the last call; an incomplete line is left for a later call."""
        try:
            with (self.run / JOURNAL).open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                if self._inode is None:
                    self._inode = inode
                if inode != self._inode:
                    return  # another file, which `replaced` reports
                file.seek(self._position)
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    self._position += len(line)
                    self._digest.update(line)
                    entry = json.loads(line)
                    if (
                        isinstance(entry, dict)
                        and isinstance(entry.get("event"), str)
                        and self._is_own(entry)
                    ):
                        yield entry
        except (OSError, ValueError):
            return  # not there yet, or cannot be read now; or no longer what a run writes: `replaced` reports that

    def _is_own(self, entry: dict[str, Any]) -> bool:
        """Return whether an entry may be acted on: a run's id becomes a path, and a cell can write any id."""
        return entry["event"] != "run_started" or entry.get("run") == self.run.name

    def read(self) -> None:
        """Take note of the lines completed since the last call."""
        for entry in self.new_entries():
            self.ended = self.ended or entry.get("event") == "run_ended"

    def replaced(self) -> str:
        """Return how the journal differs from the one that was followed; empty while it is the same file, longer."""
        if self._inode is None:
            return ""
        try:
            with (self.run / JOURNAL).open("rb") as file:
                same = os.fstat(file.fileno()).st_ino == self._inode
                known = file.read(self._position)
        except OSError as problem:
            return f"the journal of run {self.run.name} is gone: {problem.strerror}"
        if not same or hashlib.sha256(known).digest() != self._digest.digest():
            return f"the journal of run {self.run.name} was replaced while the run was followed"
        return ""
