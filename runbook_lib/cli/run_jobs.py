"""Run a graph of jobs and show it: one after another in this process, or in parallel in others."""

from __future__ import annotations

import contextlib
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from runbook_lib.execution.fleet.claims import Claims
from runbook_lib.execution.fleet.job_runs import runs_directory
from runbook_lib.execution.fleet.scheduler import InlineExecutor, first_jobs, run_graph
from runbook_lib.execution.fleet.worker_pool import WorkerPool
from runbook_lib.signal_handlers import STOP_SIGNALS, signal_handler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor
    from typing import Any

    from runbook_lib.cli.live_table import LiveTable
    from runbook_lib.cli.run_progress import Progress
    from runbook_lib.execution.fleet.job import Job, JobResult
    from runbook_lib.execution.fleet.job_graph import JobGraph
    from runbook_lib.execution.fleet.request import OnFailure, RunRequest

__all__ = ["in_worker_processes", "run_in_turn", "run_jobs"]


def in_worker_processes(graph: JobGraph, request: RunRequest) -> bool:
    """Return whether `run_jobs` runs all jobs in worker processes on this machine, and none in this process."""
    return request.executor == "local" and request.jobs > 1 and graph.has_parallel_jobs


def run_jobs(graph: JobGraph, request: RunRequest) -> list[JobResult]:
    """Run jobs as requested on the command line, and show their progress.

    Args:
        graph: The request's jobs, as planned.
        request: Says where, and how many at the same time; after a matrix of runs a summary is always printed.
    """
    logging.getLogger("papermill").setLevel(logging.ERROR)  # parameters were checked, and more strictly
    if request.executor == "local" and not in_worker_processes(graph, request):
        results = run_in_turn(graph, request.on_failure)
        if request.matrix:
            from runbook_lib.cli.live_table import print_summary  # noqa: PLC0415 - see `_InTurn.progress`
            from runbook_lib.cli.run_progress import Progress  # noqa: PLC0415 - as above

            print_summary(Progress().console, graph.jobs, results)
        return results
    claims = Claims.new(runs_directory(graph.jobs[0]))
    graph = graph.in_fleet(claims.path)
    with contextlib.ExitStack() as stack:
        executor, run, description = stack.enter_context(_executor(graph, request, claims))
        from runbook_lib.cli.live_table import LiveTable, print_summary  # noqa: PLC0415 - while workers start

        table = LiveTable(claims, len(graph.jobs))
        if description:
            table.console.print(description, markup=False)
        stack.enter_context(_stop_on_signal(claims, table))
        stack.enter_context(table)
        results = run_graph(
            graph,
            run,
            executor,
            jobs=request.jobs if request.executor == "local" else len(graph.jobs),
            on_failure=request.on_failure,
            watcher=table,
            stopped=lambda: claims.stopped,
        )
    print_summary(table.console, graph.jobs, results)
    return results


def run_in_turn(graph: JobGraph, on_failure: OnFailure) -> list[JobResult]:
    """Run jobs one after another in this process, and show their progress."""
    watcher = _InTurn()
    results = run_graph(
        graph,
        watcher.run,
        InlineExecutor(),
        jobs=1,
        on_failure=on_failure,
        watcher=watcher,
        stopped=lambda: False,
    )
    for job, result in zip(graph.jobs, results, strict=True):
        if not result.path and result.problem.startswith("not run"):
            watcher.progress.print_line(f"{job.label}: {result.problem}")
    return results


class _InTurn:
    """Runs one job at a time, and shows its journal entries as they appear."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    @property
    def progress(self) -> Progress:
        """What shows the current run; rich is loaded for its first line, while a kernel starts."""
        if self._progress is None:
            from runbook_lib.cli.run_progress import Progress  # noqa: PLC0415 - as above

            self._progress = Progress()
        return self._progress

    def run(self, job: Job) -> JobResult:
        from runbook_lib.execution.fleet.run_job import run_job  # noqa: PLC0415 - only where jobs run in this process

        return run_job(job, self._report)

    def started(self, job: Job) -> None:  # noqa: ARG002 - the run's own journal names it
        self._progress = None

    def refresh(self) -> None:
        """Do nothing: `run` has reported all entries."""

    def ended(self, job: Job, result: JobResult) -> None:  # noqa: ARG002 - it is the only one
        from runbook_lib.cli.live_table import print_result  # noqa: PLC0415 - as above

        print_result(self.progress, result)

    def _report(self, entry: dict[str, Any]) -> None:
        self.progress.report(entry)


@contextlib.contextmanager
def _executor(
    graph: JobGraph, request: RunRequest, claims: Claims
) -> Iterator[tuple[Executor, Callable[[Job], Any], str]]:
    """Start what jobs run on; yield it with the function it calls and a description, empty for this machine."""
    if request.executor == "local":
        with WorkerPool() as workers, ThreadPoolExecutor(request.jobs, thread_name_prefix="run") as threads:
            workers.start(first_jobs(graph, request.jobs))
            yield threads, workers.run, ""
        return
    from runbook_lib.execution.fleet.dask_cluster import dask_executor  # noqa: PLC0415 - slow to load, and an extra
    from runbook_lib.execution.fleet.remote_worker import run_on_worker  # noqa: PLC0415 - as above
    from runbook_lib.execution.fleet.returned_evidence import ReceivingExecutor  # noqa: PLC0415 - as above

    with (
        dask_executor(request.scheduler, request.jobs) as (executor, client, description),
        ReceivingExecutor(executor, client, claims) as receiving,
    ):
        yield receiving, run_on_worker, description


@contextlib.contextmanager
def _stop_on_signal(claims: Claims, table: LiveTable) -> Iterator[None]:
    """Stop the fleet on SIGINT and SIGTERM: every run is interrupted once, and its end waited for."""

    def on_signal(number: int, _frame: object) -> None:
        # Nothing is printed here: the signal may have come while something is being printed.
        claims.stop()
        table.signals.append(signal.Signals(number).name)

    with signal_handler(on_signal, *STOP_SIGNALS):
        yield
