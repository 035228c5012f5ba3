"""Carry units out and show it: one after another in this process, or side by side in others."""

from __future__ import annotations

import contextlib
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.cli.live_table import Board, sum_up, tell_result
from runbook_lib.cli.progress import Progress
from runbook_lib.execution.fleet import run_job
from runbook_lib.execution.fleet.claims import Claims
from runbook_lib.execution.fleet.job_graph import side_by_side
from runbook_lib.execution.fleet.scheduler import Here, carry_out
from runbook_lib.execution.fleet.worker_pool import Processes, in_a_process
from runbook_lib.project import project_top

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from runbook_lib.execution.fleet.job import Result, Unit
    from runbook_lib.execution.fleet.scheduler import OnFailure

__all__ = ["all_units", "in_turn"]


def all_units(  # noqa: PLR0913 - the command line's choices
    units: Sequence[Unit],
    *,
    jobs: int,
    on_failure: OnFailure,
    executor: str,
    scheduler: str | None,
    table: bool,
) -> list[Result]:
    """Carry units out as the command line was told, and show it.

    Args:
        units: Checked.
        jobs: At the same time, at most.
        on_failure: Between runs.
        executor: `local` or `dask`.
        scheduler: Dask's address.
        table: Sum up at the end, also where the runs came one after another.
    """
    logging.getLogger("papermill").setLevel(logging.ERROR)  # parameters were checked, and more strictly
    if executor == "local" and (jobs == 1 or not side_by_side(units)):
        results = in_turn(units, on_failure)
        if table:
            sum_up(Progress().console, units, results)
        return results
    claims = Claims.new(project_top() / Path(units[0].runs).expanduser())
    units = [_of_fleet(unit, claims) for unit in units]
    with contextlib.ExitStack() as stack:
        pool, function, told = _where(stack, executor, scheduler, jobs)
        board = Board(claims, len(units))
        if told:
            board.console.print(told, markup=False)
        stack.enter_context(_stops(claims, board))
        stack.enter_context(board)
        results = carry_out(
            units,
            function,
            pool,
            jobs=jobs if executor == "local" else len(units),
            on_failure=on_failure,
            watcher=board,
            stopped=lambda: claims.stopped,
        )
    sum_up(board.console, units, results)
    return results


def in_turn(units: Sequence[Unit], on_failure: OnFailure) -> list[Result]:
    """Carry units out one after another in this process, and show it."""
    watch = _InTurn()
    results = carry_out(
        units, watch.carry_out, Here(), jobs=1, on_failure=on_failure, watcher=watch, stopped=lambda: False
    )
    for unit, result in zip(units, results, strict=True):
        if not result.path and result.problem.startswith("not run"):
            watch.progress.say(f"{unit.label}: {result.problem}")
    return results


class _InTurn:
    """Watch one run at a time, from within."""

    def __init__(self) -> None:
        self.progress = Progress()

    def carry_out(self, unit: Unit) -> Result:
        return run_job.carry_out(unit, self.progress.tell)

    def started(self, unit: Unit) -> None:  # noqa: ARG002 - the run's own journal tells it
        self.progress = Progress()

    def look(self) -> None:
        """Do nothing: the run has told it all."""

    def ended(self, unit: Unit, result: Result) -> None:  # noqa: ARG002 - it is the only one
        tell_result(self.progress, result)


def _where(
    stack: contextlib.ExitStack, executor: str, scheduler: str | None, jobs: int
) -> tuple[Executor, Callable[[Unit], Result], str]:
    if executor == "local":
        processes = stack.enter_context(Processes())
        pool = stack.enter_context(ThreadPoolExecutor(jobs, thread_name_prefix="run"))
        return pool, processes.carry_out, ""
    from runbook_lib.execution.fleet.dask_cluster import cluster  # noqa: PLC0415 - slow to load, and an extra

    found, told = stack.enter_context(cluster(scheduler, jobs))
    return found, in_a_process, told


def _of_fleet(unit: Unit, claims: Claims) -> Unit:
    def full(number: str) -> str:
        return f"{claims.path.name}/{number}"

    return replace(unit, id=full(unit.id), after=[*map(full, unit.after)], fleet=str(claims.path.absolute()))


@contextlib.contextmanager
def _stops(claims: Claims, board: Board) -> Iterator[None]:
    """Stop the fleet on SIGINT and SIGTERM: every run is interrupted once, and its end waited for."""

    def on_signal(number: int, _frame: object) -> None:
        # Nothing is printed here: the signal may have come in the middle of printing.
        claims.stop()
        board.signals.append(signal.Signals(number).name)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
