"""Live progress of one run: a spinner and coloured lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from runbook_lib.model.status import SYMBOLS, Status

if TYPE_CHECKING:
    from rich.status import Status as Spinner

__all__ = ["Progress", "colour"]

_COLOURS = {
    Status.OK: "blue",
    Status.CHANGED: "cyan",
    Status.PLANNED: "cyan",
    Status.SKIPPED: "dim",
}


def colour(status: Status) -> str:
    """Return the style in which a status is written."""
    return _COLOURS.get(status, "bold red")


class Progress:
    """Tell what a run does, from its journal's lines as they appear.

    Args:
        console: Where; standard output without it.
        prefix: What each line begins with, where several runs are told of side by side.
        spins: Show what is under way on a terminal.
    """

    def __init__(self, console: Console | None = None, prefix: str = "", *, spins: bool = True) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._prefix = prefix
        self._spins = spins and self.console.is_terminal
        self._started = time.monotonic()
        self._titles: dict[int, str] = {}
        self._spinner: Spinner | None = None

    def say(self, text: str) -> None:
        """Print a line of our own."""
        self._print(Text(text))

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

    def _print(self, text: Text) -> None:
        for line in text.split("\n"):
            if self.console.is_terminal:
                self.console.print(Text.assemble((self._prefix, "dim"), line))
            else:  # what rich would write, without its work: many hosts make many lines
                self.console.file.write(f"{self._prefix}{line.plain}\n")
        self.console.file.flush()

    def _run_started(self, entry: dict[str, Any]) -> None:
        self._started = time.monotonic()
        self._print(
            Text.assemble((f"{entry['runbook']} ", "bold"), f"{entry['mode']} on {', '.join(entry['hosts'])}")
        )
        if entry.get("resumes"):
            self.say(f"  goes on with {entry['resumes']}")

    def _step_started(self, entry: dict[str, Any]) -> None:
        self._titles[entry["step"]] = entry["title"]
        if self._spins:
            self.end()
            self._spinner = self.console.status(Text(f"{entry['step']}. {entry['title']}"))
            self._spinner.start()

    def _command_started(self, entry: dict[str, Any]) -> None:
        if self._spinner:
            title = f"{entry['step']}. {self._titles[entry['step']]}"
            self._spinner.update(Text(f"{title}  {entry['host']}: {entry['text'][:80]}", no_wrap=True))

    def _lock_answered(self, entry: dict[str, Any]) -> None:
        if entry["outcome"] == "waiting":
            self.say(f"             {entry['host']}: waiting for another run: {entry['owner']}")
        if entry["outcome"] == "taken over":
            how = "by force, from" if entry.get("forced") else "from a run that ended without letting go:"
            self.say(f"             {entry['host']}: its lock was taken {how} {entry['owner']}")

    def _host_ended(self, entry: dict[str, Any]) -> None:
        status = Status(entry["status"])
        elapsed = time.monotonic() - self._started
        self._print(
            Text.assemble(
                f"  {elapsed:6.1f} s  {entry['step']:2}. ",
                (f"{SYMBOLS[status]} {status:<11}", colour(status)),
                f" {entry['host']:<10} {self._titles[entry['step']]}",
            )
        )
        if entry["message"] and not status.is_success:
            self.say("             " + entry["message"].replace("\n", "\n             "))

    def _run_ended(self, entry: dict[str, Any]) -> None:
        self.end()
        status = Status(entry["status"])
        self._print(
            Text.assemble("  ", (f"{SYMBOLS[status]} {status}", colour(status)), f", {entry['steps']} steps")
        )
