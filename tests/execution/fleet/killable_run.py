"""A run with a step of every kind, whose process can be made to kill itself at any line of its journal."""

from __future__ import annotations

import functools
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import RunbookError
from runbook_lib.evidence.journal import Journal
from runbook_lib.runbook import run as run_module
from runbook_lib.runbook.runbook import Runbook
from tests.deadlines import wait_until
from tests.execution.fleet.practice_books import Asleep, Awake, First, Lasting, Written

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["in_a_child", "parameters", "run", "wait_in_the_guarded_step"]

_GUARDED = "Write under a guard"
_BUSY = 0.05  # seconds that a command takes which a run is killed in the middle of
_REVERTS = 8.0  # seconds; enough for a busy machine to confirm in


class _Mortal(Journal):
    """A journal whose process is killed once it has so many lines, or a moment after, but before its last line.

    How many lines a run writes depends on the machine: repeated checks are a line each.
    """

    def __init__(self, lines: int, delay: float, path: Path, *given: Any) -> None:  # noqa: ANN401 - the journal's
        super().__init__(path, *given)
        self._left = lines
        self._delay = delay

    def append(self, event: str, **data: Any) -> None:  # noqa: ANN401 - any JSON
        if event == "run_ended":
            os.kill(os.getpid(), signal.SIGKILL)
        super().append(event, **data)
        self._one_more()

    def append_nowait(self, event: str, **data: Any) -> None:  # noqa: ANN401 - any JSON
        super().append_nowait(event, **data)
        self._one_more()

    def _one_more(self) -> None:
        self._left -= 1
        if self._left == 0:
            if self._delay:
                threading.Timer(self._delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
            else:
                os.kill(os.getpid(), signal.SIGKILL)


class _Waiting(Journal):
    """A journal whose process continues with the guarded step only when a file is there."""

    def __init__(self, until: Path, path: Path, *given: Any) -> None:  # noqa: ANN401 - the journal's
        super().__init__(path, *given)
        self._until = until

    def append(self, event: str, **data: Any) -> None:  # noqa: ANN401 - any JSON
        super().append(event, **data)
        if event == "step_started" and data["title"] == _GUARDED:
            wait_until(self._until.exists, f"the file {self._until.name}")


def wait_in_the_guarded_step(until: Path) -> None:
    """Have the runs of this process wait for a file after the first line of the guarded step."""
    run_module.Journal = functools.partial(_Waiting, until)  # type: ignore[attr-defined, assignment]


def parameters(place: Path, **given: Any) -> First:  # noqa: ANN401 - any parameter
    defaults = {"inventory": str(place / "inventory.yml"), "hosts": "all", "runs": str(place / "runs")}
    return First.model_validate({**defaults, "place": str(place), **given})


def run(place: Path, **given: Any) -> None:  # noqa: ANN401 - any parameter
    """Carry out one step of every kind."""
    book = Runbook.open(parameters(place, **given))
    book.facts("Look before", Asleep(_BUSY))
    book.step("Write", Written(f"{place}/one", "first", _BUSY))
    book.step(_GUARDED, Written(f"{place}/two", "second", _BUSY, _REVERTS))
    book.step("Do once", Lasting(f"{place}/once", _BUSY))
    book.shell("all", f"sleep {_BUSY}; echo shell >> {place}/shell")
    book.step("Check", Awake(f"{place}/two", "second"))
    book.close()


def in_a_child(place: Path, lines: int = 0, delay: float = 0.0, **given: Any) -> int:  # noqa: ANN401 - as above
    """Carry it out in a process of its own, which is killed when its journal has so many lines.

    Returns:
        The exit status: -9 where it was killed.
    """
    child = os.fork()
    if child == 0:
        code = 99
        try:
            if lines:
                run_module.Journal = functools.partial(_Mortal, lines, delay)  # type: ignore[attr-defined, assignment]
            run(place, **given)
            code = 0
        except RunbookError as problem:
            (place / "problem").write_text(str(problem), encoding="utf-8")
            code = problem.exit_code
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
