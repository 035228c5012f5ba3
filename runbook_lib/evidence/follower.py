"""Follow a journal that another process is still writing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runbook_lib.evidence.layout import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["JournalFollower"]


class JournalFollower:
    """Reads the lines of a growing journal, each once.

    Args:
        run: The run's directory; its journal need not exist yet.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self._position = 0

    def new_entries(self) -> Iterator[dict[str, Any]]:
        """Yield the entries of the lines completed since the last call; a line half written waits for its end."""
        try:
            with (self.run / JOURNAL).open("rb") as file:
                file.seek(self._position)
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    self._position += len(line)
                    yield json.loads(line)
        except FileNotFoundError:
            return
