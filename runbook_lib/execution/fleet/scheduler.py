"""Run jobs in the order of their needs, in parallel if they do not touch the same machines.

Works on any `concurrent.futures.Executor`; graphlib decides which job is ready.
"""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runbook_lib import grace_periods
from runbook_lib.execution.fleet.job import JobResult
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.execution.fleet.job import Job
    from runbook_lib.execution.fleet.job_graph import JobGraph
    from runbook_lib.execution.fleet.request import OnFailure

__all__ = ["InlineExecutor", "Watcher", "first_jobs", "run_graph"]

T = TypeVar("T")
_POLL = 0.2  # seconds between two checks on the running jobs


class Watcher(Protocol):
    """Is called as jobs start and end."""

    def started(self, job: Job) -> None:
        """Note that a job was handed to the executor."""

    def ended(self, job: Job, result: JobResult) -> None:
        """Note how a job ended."""

    def refresh(self) -> None:
        """Read what the running jobs have journaled meanwhile."""


class InlineExecutor(Executor):
    """Runs one call at a time in the calling thread: its future is done when `submit` returns."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401 - any call
        """Call the function and return its result as a future."""
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def first_jobs(graph: JobGraph, jobs: int) -> list[Job]:
    """Return the jobs that `run_graph` starts first, at most `jobs`."""
    return _GraphProgress(graph).startable([], jobs)


def run_graph(  # noqa: PLR0913 - what, how, where, and who watches
    graph: JobGraph,
    run: Callable[[Job], JobResult],
    executor: Executor,
    *,
    jobs: int,
    on_failure: OnFailure,
    watcher: Watcher,
    stopped: Callable[[], bool],
) -> list[JobResult]:
    """Run all jobs that can be run; return each one's result, in the graph's order.

    Args:
        graph: The jobs.
        run: Runs one; called by the executor.
        executor: Where jobs run.
        jobs: Most jobs at the same time.
        on_failure: After a job that did not succeed: start no other, or continue with those that do not need it.
        watcher: Called as jobs start and end.
        stopped: Whether no further job may start.
    """
    progress = _GraphProgress(graph)
    running: dict[Future[JobResult], Job] = {}
    until = 0.0
    while True:
        if not (stopped() or progress.interrupted or (on_failure == "stop" and progress.failed)):
            for job in progress.startable(list(running.values()), jobs):
                watcher.started(job)
                running[executor.submit(run, job)] = job
        if not running:
            break
        done, _ = wait(running, timeout=_POLL, return_when=FIRST_COMPLETED)
        watcher.refresh()
        if stopped():
            until = until or time.monotonic() + grace_periods.FLEET
            if time.monotonic() > until:
                done = set(running)
        for future in done:
            job = running.pop(future)
            result = _result_of(future, job)
            progress.ended(job, result)
            watcher.ended(job, result)
    return progress.results(stopped=stopped() or progress.interrupted)


class _GraphProgress:
    """Which jobs have ended, which can start, and why the others cannot."""

    def __init__(self, graph: JobGraph) -> None:
        self._after = graph.after
        self._jobs = {job.id: job for job in graph.jobs}
        self._sorter = TopologicalSorter(graph.after)
        self._sorter.prepare()
        self._ready: list[str] = []
        self._results: dict[str, JobResult] = {}
        self._first_failed: JobResult | None = None
        self.interrupted = False

    @property
    def failed(self) -> bool:
        """Whether any job did not succeed."""
        return self._first_failed is not None

    def startable(self, running: list[Job], jobs: int) -> list[Job]:
        """Return the jobs to start now, in parallel with those that are running."""
        self._ready += self._sorter.get_ready()
        chosen: list[Job] = []
        for job in [job for job in self._jobs.values() if job.id in self._ready]:
            parallel = [*running, *chosen]
            if len(parallel) >= jobs:
                break
            if not any(job.excludes(other) for other in parallel):
                chosen.append(job)
        self._ready = [name for name in self._ready if name not in {job.id for job in chosen}]
        return chosen

    def ended(self, job: Job, result: JobResult) -> None:
        """Note a result; jobs that need this one become ready only if it succeeded."""
        self._results[job.id] = result
        if result.succeeded:
            self._sorter.done(job.id)
        else:
            self._first_failed = self._first_failed or result
        self.interrupted |= result.interrupted or result.status is Status.INTERRUPTED

    def results(self, *, stopped: bool) -> list[JobResult]:
        """Return all results; for a job that was not run, with the reason."""
        # In the order of needs: the reason may be another job that was not run either.
        for name in TopologicalSorter(self._after).static_order():
            if name not in self._results:
                self._results[name] = self._not_run(self._jobs[name], stopped=stopped)
        return [self._results[name] for name in self._jobs]

    def _not_run(self, job: Job, *, stopped: bool) -> JobResult:
        failed = [name for name in self._after[job.id] if not self._results[name].succeeded]
        if failed:
            return self._skipped(job, f"needs {self._described(failed[0])}")
        if stopped or self._first_failed is None:
            return JobResult(
                job.id, status=Status.INTERRUPTED, problem="not run: interrupted", interrupted=True
            )
        return self._skipped(job, f"stopped after {self._described(self._first_failed.job)}")

    def _skipped(self, job: Job, reason: str) -> JobResult:
        return JobResult(job.id, status=Status.SKIPPED, problem=f"not run: {reason}")

    def _described(self, name: str) -> str:
        result = self._results[name]
        return f"{self._jobs[name].label} ({result.status if result.path else 'not run'})"


def _result_of(future: Future[JobResult], job: Job) -> JobResult:
    """Return a future's result, or the reason for not having one; one that is not done is abandoned."""
    if not future.done() and not future.cancel():
        return JobResult(job.id, problem="stopped; the run did not report its end in time")
    try:
        problem = future.exception()
    except CancelledError:
        return JobResult(job.id, problem="canceled after the stop; the run had not reported its end")
    if problem is None:
        return future.result()
    return JobResult(job.id, problem=f"{type(problem).__name__}: {problem}")
