"""Run the runbooks that pytest was given, planned, run and sealed as by `runbook run`."""

from __future__ import annotations

import gc
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError
from runbook_lib.execution.fleet.job_graph import JobGraph, plan_run
from runbook_lib.execution.fleet.run_job import run_job
from runbook_lib.execution.fleet.scheduler import InlineExecutor, run_graph
from runbook_lib.execution.notebook.outcome import Outcome
from runbook_lib.model.status import Mode
from runbook_lib.pytest_plugin.notebook_run import NotebookRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.execution.fleet.job import Job, JobResult
    from runbook_lib.execution.fleet.request import RunRequest

    Report = Callable[[Job, dict[str, Any]], None]

__all__ = ["PlannedRuns", "plan", "run"]


@dataclass(frozen=True)
class PlannedRuns:
    """The jobs of a request, checked, and what distinguishes runs of the same notebook.

    Args:
        graph: The jobs.
        names: For each job, the name of its parameters file.
        validates: Whether the runs change nothing.
    """

    graph: JobGraph
    names: tuple[str, ...]
    validates: bool

    def names_of_notebooks(self) -> dict[Path, list[str]]:
        """Return the names of the runs of each notebook."""
        found: dict[Path, list[str]] = {}
        for job, name in zip(self.graph.jobs, self.names, strict=True):
            found.setdefault(Path(job.notebook), []).append(name)
        return found


def plan(request: RunRequest) -> PlannedRuns:
    """Find all runbooks and check all their parameters.

    Args:
        request: Its options hold the mode.

    Raises:
        InputError: Anything in the request is wrong. No host was touched.
    """
    for name, option in (("mode", "--runbook-mode"), ("hosts", "--runbook-hosts")):
        if name in dict(request.pairs):
            raise ParameterError(
                "cannot be given with --runbook-set", where=f"parameter {name!r}", hint=f"use {option}"
            )
    graph = plan_run(request)
    names = tuple(Path(file).stem if file else "without parameters" for file in request.file_of_each())
    counts = Counter((job.notebook, name) for job, name in zip(graph.jobs, names, strict=True))
    for (notebook, name), count in counts.items():
        if count > 1:
            raise ParameterError(
                f"is given twice with parameters files of the same name ({name})",
                where=notebook,
                hint="give each runbook once, or each time with a parameters file of another name",
            )
    validates = request.options["mode"] == Mode.VALIDATE
    # What changes nothing needs no order, and after a failed validation the others are still worth running.
    return PlannedRuns(graph.without_needs() if validates else graph, names, validates)


def run(planned: PlannedRuns, report: Report) -> list[NotebookRun]:
    """Make the runs one after another; each is sealed, and has its reports next to its evidence.

    After a signal no further run is started. After a run that did not succeed none is started either, except in
    mode `validate`, because later runbooks build on earlier ones. Runs that were not made are returned too.

    Args:
        planned: From `plan`.
        report: Called with each journal entry as it appears.
    """
    with warnings.catch_warnings():
        # A user who turns warnings into errors means those of the tests, not those of papermill and Jupyter.
        warnings.simplefilter("ignore")
        results = run_graph(
            planned.graph,
            lambda job: _run(job, report),
            InlineExecutor(),
            jobs=1,
            on_failure="continue" if planned.validates else "stop",
            watcher=_Silent(),
            stopped=lambda: False,
        )
    return [
        _notebook_run(job, name, result)
        for job, name, result in zip(planned.graph.jobs, planned.names, results, strict=True)
    ]


def _run(job: Job, report: Report) -> JobResult:
    result = run_job(job, lambda entry: report(job, entry))
    # papermill leaves its event loop to the garbage collector, which warns of it whenever it runs.
    gc.collect()
    return result


def _notebook_run(job: Job, name: str, result: JobResult) -> NotebookRun:
    path = Path(result.path)
    return NotebookRun(
        notebook=Path(job.notebook),
        name=name,
        status=result.status,
        directory=str(path.absolute()) if result.path else "",
        record=Outcome.read(path).record if result.path else None,
        problem=result.problem,
        interrupted=result.interrupted,
    )


class _Silent:
    """A `Watcher` that shows nothing: the journal entries are reported."""

    def started(self, job: Job) -> None:
        """Do nothing."""

    def ended(self, job: Job, result: JobResult) -> None:
        """Do nothing."""

    def refresh(self) -> None:
        """Do nothing."""
