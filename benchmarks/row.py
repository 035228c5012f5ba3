"""The words of the table: a row, its programs and its targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from benchmarks.delayed import RoundTrips

__all__ = ["LIBRARY", "Limit", "Prepare", "Row"]

LIBRARY = "runbook_lib in a script"
Prepare = Callable[[Path], "AbstractContextManager[RoundTrips | None]"]
"""Fills a directory, and keeps servers running during its block; yields what counts round trips, if anything does."""


@dataclass(frozen=True)
class Limit:
    """A target.

    Args:
        of: Another program of the row, or `ROW/PROGRAM` of a row above.
        ratio: Our value divided by the other program's, at most.
        quantity: `seconds`, `memory`, or per command and host `seconds per command` or `round trips per command`.
        ours: Which of our programs.
    """

    of: str
    ratio: float
    quantity: str = "seconds"
    ours: str = "runbook"


@dataclass(frozen=True)
class Row:
    """One kind of work to measure.

    Args:
        name: For the command line.
        title: For the table.
        scripts: Shell scripts by program; `runbook` is ours. One that measures itself writes its seconds to the file
            `$SECONDS_FILE`; see `measured.py`.
        limits: The targets.
        prepare: Context manager that fills `WORK` and keeps servers running during its block; it yields what counts
            the round trips, if anything does.
        more_of: Name of a row that differs in the number of commands only; the difference is that of the commands.
        more_commands: How many commands more than in that row, of all hosts together.
        hosts: How many hosts get commands at the same time.
        as_root: Whether practice hosts are started, for which one must be root.
    """

    name: str
    title: str
    scripts: Mapping[str, str]
    limits: tuple[Limit, ...]
    prepare: Prepare
    more_of: str = ""
    more_commands: int = 0
    hosts: int = 1
    as_root: bool = False
