"""Live progress of one run: a spinner and colored lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING, Any

from rich.text import Text

from runbook_lib.connections.shown_command import shown_command
from runbook_lib.evidence.exposed_secrets import HINT, Exposure
from runbook_lib.masking import excerpt
from runbook_lib.model.plans import Check
from runbook_lib.model.skipped_steps import tally
from runbook_lib.model.status import SYMBOLS, Status
from runbook_lib.model.step_progress import Running, describe_running
from runbook_lib.printing.console import FilteredConsole
from runbook_lib.printing.wrapped_text import wrapped
from runbook_lib.report.summary import counted
from runbook_lib.runbook.steps.run_status import describe_unmet

if TYPE_CHECKING:
    from rich.status import Status as Spinner

__all__ = ["Progress", "color"]

_COLORS = {
    Status.OK: "blue",
    Status.CHANGED: "cyan",
    Status.PLANNED: "cyan",
    Status.SKIPPED: "dim",
}


_INDENT = " " * 13
_HANGING = 2  # columns by which the continuation of a line is indented
_LEAST_ROOM = 20  # columns; on a narrower terminal lines are not wrapped
_HEADINGS = "   elapsed step outcome       host       title"
_BESIDE = f"\n{_INDENT}| "  # a line of a host's text never looks like one of the product's, or a CI system's command


def color(status: Status) -> str:
    """Return the style in which a status is printed."""
    return _COLORS.get(status, "bold red")


class _Line:
    """The terminal's line while a command runs: it is made again at each refresh, and so counts the seconds.

    Args:
        title: The step's.
        host: The host.
        purpose: What the command is for.
        command: The command.
    """

    def __init__(self, title: str, host: str, purpose: str, command: str) -> None:
        self._title = title
        self._running = Running(host, "running", purpose, excerpt(str(shown_command(command)), 80))
        self._started = time.monotonic()

    def __rich__(self) -> Text:
        """Return the line as it is now; what does not fit is cut off."""
        running = dataclasses.replace(self._running, seconds=time.monotonic() - self._started)
        return Text(f"{self._title}  {describe_running(running)}", no_wrap=True, overflow="ellipsis")


class Progress:
    """Prints what a run does, from its journal entries as they appear.

    Args:
        console: Where to print; None: standard output.
        prefix: Printed before each line, to distinguish parallel runs.
        spins: Whether to show the current step and command on a terminal.
    """

    def __init__(
        self, console: FilteredConsole | None = None, prefix: str = "", *, spins: bool = True
    ) -> None:
        self.console = console or FilteredConsole(soft_wrap=True)
        self._prefix = prefix
        self._spins = spins and self.console.is_terminal
        self._started = time.monotonic()
        self._titles: dict[int, str] = {}
        self._statuses: dict[int, Status] = {}  # of the steps that ended
        self._spinner: Spinner | None = None

    def print_line(self, text: str) -> None:
        """Print a line that is not from the journal."""
        self._print(Text(text))

    def report(self, entry: dict[str, Any]) -> None:
        """Print one journal entry, if it is of a kind that is shown."""
        handler = getattr(self, f"_{entry['event']}", None)
        if handler:
            # A cell can write anything to the journal. What the line is worth is decided when the run is judged.
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                handler(entry)

    def stop_spinner(self) -> None:
        """Remove the spinner."""
        if self._spinner:
            self._spinner.stop()
            self._spinner = None

    def _print(self, text: Text) -> None:
        for line in text.split("\n"):
            if self.console.is_terminal:
                for part in self._wrapped(line):
                    self.console.print(Text.assemble((self._prefix, "dim"), part))
            else:  # many hosts make many lines
                self.console.write_line(f"{self._prefix}{line.plain}")
        self.console.file.flush()

    def _wrapped(self, line: Text) -> list[Text]:
        """Return a line in parts that fit the terminal: cut between words, and indented more than the line itself."""
        indent = len(line.plain) - len(line.plain.lstrip(" "))
        room = self.console.width - len(self._prefix) - indent - _HANGING
        if line.cell_len <= room + indent + _HANGING or room < _LEAST_ROOM:
            return [line]
        first, *others = wrapped(line[indent:], room)
        return [Text(" " * indent) + first, *(Text(" " * (indent + _HANGING)) + part for part in others)]

    def _run_started(self, entry: dict[str, Any]) -> None:
        self._started = time.monotonic()
        self._titles, self._statuses = {}, {}
        self._print(
            Text.assemble((f"{entry['runbook']} ", "bold"), f"{entry['mode']} on {', '.join(entry['hosts'])}")
        )
        if entry.get("resumes"):
            self.print_line(f"  resumes {entry['resumes']}")
        self._print(Text(_HEADINGS, "dim"))

    def _step_started(self, entry: dict[str, Any]) -> None:
        self._titles[entry["step"]] = entry["title"]
        if self._spins:
            self.stop_spinner()
            self._spinner = self.console.status(Text(f"{entry['step']}. {entry['title']}"))
            self._spinner.start()

    def _command_started(self, entry: dict[str, Any]) -> None:
        if self._spinner:
            title = f"{entry['step']}. {self._titles[entry['step']]}"
            self._spinner.update(_Line(title, entry["host"], entry["purpose"], entry["text"]))

    def _lock_answered(self, entry: dict[str, Any]) -> None:
        if entry["outcome"] == "waiting":
            self.print_line(f"             {entry['host']}: waiting for the lock, held by {entry['owner']}")
        if entry["outcome"] == "taken over":
            reason = "by force" if entry.get("forced") else "after it ended without releasing the lock"
            self.print_line(f"             {entry['host']}: lock taken over from {entry['owner']}, {reason}")

    def _host_ended(self, entry: dict[str, Any]) -> None:
        status = Status(entry["status"])
        elapsed = time.monotonic() - self._started
        self._print(
            Text.assemble(
                f"  {elapsed:6.1f} s  {entry['step']:2}. ",
                (f"{SYMBOLS[status]} {status:<11}", color(status)),
                f" {entry['host']:<10} {self._titles[entry['step']]}",
            )
        )
        if entry["message"] and not status.is_success:
            for line in _parts(entry):
                self.print_line(f"{_INDENT}{_BESIDE.join(line.splitlines())}")

    def _secret_exposed(self, entry: dict[str, Any]) -> None:
        self.print_line(f"{_INDENT}! {Exposure.of(entry)}")
        self.print_line(f"{_INDENT}  hint: {HINT}")

    def _step_ended(self, entry: dict[str, Any]) -> None:
        self._statuses[entry["step"]] = Status(entry["status"])

    def _run_ended(self, entry: dict[str, Any]) -> None:
        self.stop_spinner()
        status = Status(entry["status"])
        statuses = [*self._statuses.values()]
        by_status = f": {tally(statuses)}" if {*statuses} - {status} else ""
        self._print(
            Text.assemble(
                "  ",
                (f"{SYMBOLS[status]} {status}", color(status)),
                f", {counted(entry['steps'], 'step')}{by_status}",
            )
        )


def _parts(entry: dict[str, Any]) -> list[str]:
    """Return a host's message, in which each of several checks that do not hold has a line of its own."""
    message: str = entry["message"]
    unmet = [describe_unmet([Check(**check)]) for check in entry.get("checks", ()) if not check["holds"]]
    together = "; ".join(unmet)
    if len(unmet) < 2 or together not in message:  # noqa: PLR2004 - one check needs no list
        return [message]
    before, _, after = message.partition(together)
    return [
        *filter(None, (before.removesuffix("; "), *(f"✗ {text}" for text in unmet), after.removeprefix("; ")))
    ]
