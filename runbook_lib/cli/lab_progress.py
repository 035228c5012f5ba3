"""Shows what long work in the lab is doing and how far it is: a line that counts on a terminal, else plain lines."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING

import click

from runbook_lib.lab.system.stages import LOGGER, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.status import Status as Spinner

    from runbook_lib.printing.console import FilteredConsole

__all__ = ["lab_progress"]

_LONG = 3.0  # seconds from which a stage is worth a line of its own


@contextlib.contextmanager
def lab_progress() -> Iterator[None]:
    """Show the stages of the lab's work that this thread does in the block."""
    from runbook_lib.printing.console import FilteredConsole  # noqa: PLC0415 - `--help` stays quick

    logger = logging.getLogger(LOGGER)
    level = logger.level
    handler = _Handler(FilteredConsole(soft_wrap=True))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    propagated, logger.propagate = logger.propagate, level == logging.INFO
    try:
        yield
    finally:
        handler.stop()
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagated


class _Line:
    """The terminal's line: it is made again at each refresh, and so counts the seconds."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.detail = ""
        self._started = time.monotonic()

    def __rich__(self) -> str:
        """Return the line as it is now."""
        seconds = time.monotonic() - self._started
        return describe(self.stage, self.detail, seconds)


def describe(stage: Stage, detail: str, seconds: float) -> str:
    """Return what is being done and how far it is, in a line.

    Args:
        stage: The stage.
        detail: Which part of it is being done.
        seconds: Since its beginning.

    >>> describe(Stage("disk of virtual machines", 120.0), "first boot", 71.2)
    'disk of virtual machines: first boot  71 s of about 120 s'
    """
    what = f"{stage.what}: {detail}" if detail else stage.what
    return f"{what}  {seconds:.0f} s{f' of about {stage.usually:.0f} s' if stage.usually else ''}"


class _Handler(logging.Handler):
    """Shows each stage on a console."""

    def __init__(self, console: FilteredConsole) -> None:
        super().__init__()
        self._console = console
        self._thread = threading.get_ident()
        self._line: _Line | None = None
        self._spinner: Spinner | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record; those of other threads are not this command's."""
        stage = getattr(record, "stage", None)
        if not isinstance(stage, Stage) or threading.get_ident() != self._thread:
            return
        if stage.seconds is not None:
            self._end(stage)
        elif stage.what:
            self._begin(stage)
        elif self._line:
            self._line.detail = stage.detail
            if not self._spinner:
                click.echo(f"    {stage.detail}")

    def _begin(self, stage: Stage) -> None:
        self.stop()
        self._line = _Line(stage)
        if self._console.is_terminal:
            self._spinner = self._console.status(self._line)
            self._spinner.start()
        elif stage.usually >= _LONG:
            click.echo(f"  {stage.what}: takes about {stage.usually:.0f} s")

    def _end(self, stage: Stage) -> None:
        self.stop()
        if stage.seconds is not None and stage.seconds >= _LONG:
            click.echo(f"  {stage.what}: {'failed' if stage.failed else 'done'} after {stage.seconds:.0f} s")

    def stop(self) -> None:
        """Remove the line."""
        if self._spinner:
            self._spinner.stop()
        self._spinner = self._line = None
