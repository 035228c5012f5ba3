"""The card of a step that is running: what each host is doing; the final card takes its place.

Nothing of it stays in a saved notebook: a front end replaces an output that has the same display id.
"""

from __future__ import annotations

import dataclasses
import time
import uuid
from typing import TYPE_CHECKING

from runbook_lib.display.cards import show_replaceable
from runbook_lib.model.status import SYMBOLS
from runbook_lib.model.step_progress import describe_running

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runbook_lib.model.records import HostRecord
    from runbook_lib.model.step_progress import Running

__all__ = ["LiveCard"]

_SHOWN_AFTER = 0.8  # seconds: a quick step shows its final card only


class LiveCard:
    """What the hosts of one step are doing, for a person who waits.

    Args:
        headline: The step's number and title.
        hosts: Names of its hosts.
        running: Returns what a host is doing.
    """

    def __init__(self, headline: str, hosts: Sequence[str], running: Callable[[str], Running]) -> None:
        self._headline = headline
        self._hosts = hosts
        self._running = running
        self._started = time.monotonic()
        self._finished: dict[str, HostRecord] = {}
        self.display_id = ""
        """Of the output that the final card replaces; empty if nothing was shown."""

    def finish(self, record: HostRecord) -> None:
        """Note that a host has finished the step; called in the host's thread."""
        self._finished[record.host] = record

    def refresh(self) -> None:
        """Show what the hosts are doing now, if the step takes long enough to be watched."""
        elapsed = time.monotonic() - self._started
        if elapsed < _SHOWN_AFTER:
            return
        lines = [line for host in self._hosts for line in self._lines(host)]
        first = not self.display_id
        self.display_id = self.display_id or uuid.uuid4().hex
        headline = f"{self._headline}: running, {elapsed:.0f} s"
        show_replaceable("live.html.j2", [headline, *lines], self.display_id, update=not first)

    def _lines(self, host: str) -> list[str]:
        record = self._finished.get(host)
        if record is not None:
            return [f"{host}: {SYMBOLS[record.status]} {record.status}"]
        running = self._running(host)
        # The last line has a line of its own: a long command must not hide it.
        last = [f"  | {running.last_line}"] if running.last_line else []
        return [describe_running(dataclasses.replace(running, last_line="")), *last]
