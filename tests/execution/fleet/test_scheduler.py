"""The order of jobs, and the reason given for each that was not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.execution.fleet.job import Job, JobResult, exit_code_of_results
from runbook_lib.execution.fleet.job_graph import JobGraph
from runbook_lib.execution.fleet.scheduler import InlineExecutor, run_graph
from runbook_lib.execution.notebook.outcome import exit_code_of_all
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from runbook_lib.execution.fleet.request import OnFailure


def job(name: str) -> Job:
    return Job(
        id=name,
        label=f"job {name}",
        runbook=name,
        notebook=f"{name}.ipynb",
        values={},
        runs="runs",
        hosts=["host-a"],
        machines=["host-a"],
        connections=["local"],
        changes=True,
        project="/",
    )


def graph(**after: str) -> JobGraph:
    """A graph of jobs named by one letter; each comes after those in its value."""
    return JobGraph(tuple(map(job, after)), {name: tuple(names) for name, names in after.items()})


class Runs:
    """Runs jobs, and watches that."""

    def __init__(self, **results: JobResult) -> None:
        self.results = results
        self.order: list[str] = []

    def run(self, made: Job) -> JobResult:
        self.order.append(made.id)
        return self.results.get(made.id, JobResult(made.id, path="run", status=Status.OK))

    def started(self, made: Job) -> None: ...

    def ended(self, made: Job, result: JobResult) -> None: ...

    def refresh(self) -> None: ...

    def all_of(
        self, jobs: JobGraph, on_failure: OnFailure = "stop", *, stopped: bool = False
    ) -> list[JobResult]:
        return run_graph(
            jobs,
            self.run,
            InlineExecutor(),
            jobs=1,
            on_failure=on_failure,
            watcher=self,
            stopped=lambda: stopped,
        )


def failed(name: str) -> JobResult:
    return JobResult(name, path="run", status=Status.FAILED)


def test_jobs_run_in_the_order_of_their_needs_and_results_come_in_the_order_given() -> None:
    runs = Runs()
    results = runs.all_of(graph(c="b", b="a", a=""))
    assert runs.order == ["a", "b", "c"]
    assert [result.job for result in results] == ["c", "b", "a"]


def test_after_a_failure_each_reason_names_a_job_whatever_the_order_given() -> None:
    results = Runs(x=failed("x")).all_of(graph(x="", c="b", b=""))
    assert [result.problem for result in results] == [
        "",
        "not run: needs job b (not run)",
        "not run: stopped after job x (failed)",
    ]


def test_what_does_not_need_the_failed_job_runs_if_asked_to_continue() -> None:
    runs = Runs(x=failed("x"))
    results = runs.all_of(graph(x="", y="x", z=""), "continue")
    assert runs.order == ["x", "z"]
    assert [result.status for result in results] == [Status.FAILED, Status.SKIPPED, Status.OK]
    assert results[1].problem == "not run: needs job x (failed)"


@pytest.mark.parametrize("status", [Status.OK, Status.INTERRUPTED])
def test_after_a_signal_nothing_else_runs_even_if_the_signaled_run_still_ended_well(status: Status) -> None:
    signaled = JobResult("a", path="run", status=status, interrupted=True)
    results = Runs(a=signaled).all_of(graph(a="", b=""), "continue")
    assert (results[1].status, results[1].problem) == (Status.INTERRUPTED, "not run: interrupted")
    assert exit_code_of_all([result.status for result in results]) == 4


def test_jobs_that_a_signal_kept_from_running_are_not_a_success() -> None:
    results = Runs().all_of(graph(a="", b="a"), stopped=True)
    assert exit_code_of_all([result.status for result in results]) == 4


def test_jobs_and_results_survive_json() -> None:
    assert Job.from_json(job("a").json) == job("a")
    assert JobResult.from_json(failed("a").json) == failed("a")


def test_bad_input_is_the_exit_code_only_if_no_run_was_begun() -> None:
    refused = JobResult("1", status=Status.FAILED, problem="refused", bad_input=True)
    not_run = JobResult("2", status=Status.SKIPPED, problem="not run: stopped after 1")
    assert exit_code_of_results([refused, not_run]) == 2
    assert exit_code_of_results([refused, JobResult("2", path="runs/x", status=Status.CHANGED)]) == 1
    assert exit_code_of_results([not_run, JobResult("1", path="runs/x", status=Status.CHANGED)]) == 0
