"""Carry units out in the order of their needs, side by side where they do not touch the same machines.

Over any `concurrent.futures.Executor`; who is ready is graphlib's business.
"""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from runbook_lib.execution.fleet.job import Result
from runbook_lib.execution.notebook import run_notebook
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runbook_lib.execution.fleet.job import Unit

__all__ = ["Here", "OnFailure", "Watcher", "carry_out", "ended_well"]

OnFailure = Literal["stop", "continue"]
T = TypeVar("T")
_POLL = 0.2  # seconds between two looks at what goes on
_LAST_WORDS = 90.0  # seconds that runs have to end once they were stopped; their kernels have less


class Watcher(Protocol):
    """Who is told what happens."""

    def started(self, unit: Unit) -> None:
        """A unit was handed to the executor."""

    def ended(self, unit: Unit, result: Result) -> None:
        """It has ended."""

    def look(self) -> None:
        """Time to look at what goes on."""


class Here(Executor):
    """The calling thread, for one unit at a time: what is submitted has ended when `submit` returns."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401 - any call
        """Call it and return what it returned."""
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def ended_well(result: Result) -> bool:
    """Return whether what needs this unit may be begun: its run ended, and well."""
    return bool(result.path) and not run_notebook.exit_code(result.status)


def carry_out(  # noqa: PLR0913 - what, how, where, and who watches
    units: Sequence[Unit],
    function: Callable[[Unit], Result],
    executor: Executor,
    *,
    jobs: int,
    on_failure: OnFailure,
    watcher: Watcher,
    stopped: Callable[[], bool],
) -> list[Result]:
    """Carry all units out that can be; return each one's result, in the units' order.

    Args:
        units: In the order in which they are begun where nothing else decides.
        function: Carries one out; called by the executor.
        executor: Where.
        jobs: Units at the same time, at most.
        on_failure: After a unit that did not end well: begin no other, or go on with those that do not need it.
        watcher: Told what happens.
        stopped: Whether no further unit shall be begun.
    """
    course = _Course(units)
    running: dict[Future[Result], Unit] = {}
    until = 0.0
    while True:
        if not (stopped() or course.interrupted or (on_failure == "stop" and course.failed)):
            for unit in course.startable(list(running.values()), jobs):
                watcher.started(unit)
                running[executor.submit(function, unit)] = unit
        if not running:
            break
        done, _ = wait(running, timeout=_POLL, return_when=FIRST_COMPLETED)
        watcher.look()
        if stopped():
            until = until or time.monotonic() + _LAST_WORDS
            if time.monotonic() > until:
                done = set(running)
        for future in done:
            unit = running.pop(future)
            result = _result_of(future, unit)
            course.ended(unit, result)
            watcher.ended(unit, result)
    return course.results(stopped=stopped() or course.interrupted)


class _Course:
    """Which units are through, which can be begun, and why the others cannot."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = {unit.id: unit for unit in units}
        self._sorter = TopologicalSorter({unit.id: unit.after for unit in units})
        self._sorter.prepare()
        self._ready: list[str] = []
        self._results: dict[str, Result] = {}
        self.failed = False
        self.interrupted = False

    def startable(self, running: list[Unit], jobs: int) -> list[Unit]:
        """Return the units to begin now, beside those that run."""
        self._ready += self._sorter.get_ready()
        chosen: list[Unit] = []
        for unit in [unit for unit in self._units.values() if unit.id in self._ready]:
            beside = [*running, *chosen]
            if len(beside) >= jobs:
                break
            if not any(unit.excludes(other) for other in beside):
                chosen.append(unit)
        self._ready = [name for name in self._ready if name not in {unit.id for unit in chosen}]
        return chosen

    def ended(self, unit: Unit, result: Result) -> None:
        """Take a result in; what needs the unit is ready only where it ended well."""
        self._results[unit.id] = result
        if ended_well(result):
            self._sorter.done(unit.id)
        else:
            self.failed = True
        self.interrupted |= result.status is Status.INTERRUPTED

    def results(self, *, stopped: bool) -> list[Result]:
        """Return all results; of a unit that was not begun, why."""
        for unit in self._units.values():
            if unit.id not in self._results:
                self._results[unit.id] = Result(
                    unit.id, status=Status.SKIPPED, problem=self._why_not(unit, stopped=stopped)
                )
        return [self._results[name] for name in self._units]

    def _why_not(self, unit: Unit, *, stopped: bool) -> str:
        bad = [name for name in unit.after if not ended_well(self._results[name])]
        if bad:
            first = self._results[bad[0]]
            how = f"is {first.status}" if first.path else "was not run itself"
            return f"not run: it needs {self._units[bad[0]].label}, which {how}"
        return (
            "not run: interrupted" if stopped else "not run: another one did not end well (--on-failure stop)"
        )


def _result_of(future: Future[Result], unit: Unit) -> Result:
    """Return a future's result, or what is wrong with it; one that has not ended is given up."""
    if not future.done() and not future.cancel():
        return Result(unit.id, problem="stopped, and nobody has told its end")
    try:
        problem = future.exception()
    except CancelledError:
        return Result(unit.id, problem="taken back: stopped before anybody told its end")
    if problem is None:
        return future.result()
    return Result(unit.id, problem=f"{type(problem).__name__}: {problem}")
