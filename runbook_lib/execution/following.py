"""Follow a run that another process makes, by its journal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Following"]


class Following:
    """A journal that grows.

    Args:
        run: The run's directory.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self._position = 0

    def new(self) -> Iterator[dict[str, Any]]:
        """Yield the whole lines that have come since the last call."""
        try:
            with (self.run / "journal.jsonl").open("rb") as file:
                file.seek(self._position)
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    self._position += len(line)
                    yield json.loads(line)
        except FileNotFoundError:
            return
