"""Live progress: a spinner and coloured lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from runbook_lib.display import SYMBOLS
from runbook_lib.model import Status

if TYPE_CHECKING:
    from rich.status import Status as Spinner

__all__ = ["Progress"]

_COLOURS = {
    Status.OK: "blue",
    Status.CHANGED: "cyan",
    Status.PLANNED: "cyan",
    Status.SKIPPED: "dim",
}


class Progress:
    """Tell what a run does, from its journal's lines as they appear."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._started = time.monotonic()
        self._titles: dict[int, str] = {}
        self._spinner: Spinner | None = None

    def say(self, text: str) -> None:
        """Print a line of our own."""
        self.console.print(Text(text))

    def tell(self, entry: dict[str, Any]) -> None:
        """Show one journal entry, where it is one that a person wants to see."""
        handler = getattr(self, f"_{entry['event']}", None)
        if handler:
            handler(entry)

    def end(self) -> None:
        """Take the spinner away."""
        if self._spinner:
            self._spinner.stop()
            self._spinner = None

    def _run_started(self, entry: dict[str, Any]) -> None:
        self._started = time.monotonic()
        self.console.print(
            Text.assemble((f"{entry['runbook']} ", "bold"), f"{entry['mode']} on {', '.join(entry['hosts'])}")
        )

    def _step_started(self, entry: dict[str, Any]) -> None:
        self._titles[entry["step"]] = entry["title"]
        if self.console.is_terminal:
            self.end()
            self._spinner = self.console.status(Text(f"{entry['step']}. {entry['title']}"))
            self._spinner.start()

    def _command_started(self, entry: dict[str, Any]) -> None:
        if self._spinner:
            title = f"{entry['step']}. {self._titles[entry['step']]}"
            self._spinner.update(Text(f"{title}  {entry['host']}: {entry['text'][:80]}", no_wrap=True))

    def _host_ended(self, entry: dict[str, Any]) -> None:
        status = Status(entry["status"])
        elapsed = time.monotonic() - self._started
        line = Text.assemble(
            f"  {elapsed:6.1f} s  {entry['step']:2}. ",
            (f"{SYMBOLS[status]} {status:<11}", _COLOURS.get(status, "bold red")),
            f" {entry['host']:<10} {self._titles[entry['step']]}",
        )
        self.console.print(line)
        if entry["message"] and not status.good:
            self.console.print(Text("             " + entry["message"].replace("\n", "\n             ")))

    def _run_ended(self, entry: dict[str, Any]) -> None:
        self.end()
        status = Status(entry["status"])
        colour = _COLOURS.get(status, "bold red")
        self.console.print(
            Text.assemble("  ", (f"{SYMBOLS[status]} {status}", colour), f", {entry['steps']} steps")
        )
