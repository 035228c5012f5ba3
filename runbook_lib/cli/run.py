"""`runbook run`: run runbooks headless, in the order of their needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from runbook_lib.cli.blank_values import refuse_blank
from runbook_lib.cli.completed_names import complete_files, complete_hosts, complete_runbooks, complete_runs
from runbook_lib.cli.parameter_option import ParameterCommand
from runbook_lib.execution.warm_kernels.lifetime import KERNELS, KINDS, fork_server
from runbook_lib.garbage_collection import paused_gc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runbook_lib.execution.fleet.job_graph import JobGraph
    from runbook_lib.execution.fleet.request import OnFailure, RunRequest
    from runbook_lib.execution.notebook.outcome import Outcome

__all__ = ["run_command", "run_in_turn"]

_KEY = "RUNBOOK_SIGNING_KEY"


@click.command("run", cls=ParameterCommand)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_runbooks)
@click.option(
    "-f",
    "file",
    metavar="FILE",
    help="Parameters file (YAML).",
    callback=refuse_blank,
    shell_complete=complete_files,
)
@click.option(
    "-p",
    "pairs",
    nargs=2,
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter; overrides -f. Also as NAME VALUE.",
)
@click.option("--mode", type=click.Choice(["plan", "apply", "validate"]), help="What the run may do.")
@click.option(
    "--hosts",
    metavar="PATTERN",
    help="Names, groups or patterns, separated by commas.",
    shell_complete=complete_hosts,
)
@click.option("--timeout", type=float, metavar="SECONDS", help="Stop a run that takes longer than this.")
@click.option("--with-needs", is_flag=True, help="Also run the runbooks that these need.")
@click.option(
    "--on-failure",
    type=click.Choice(["stop", "continue"]),
    default="stop",
    show_default=True,
    help="After a run that did not succeed: start no other, or continue with those that do not need it.",
)
@click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="Runs at the same time. Default: number of cores."
)
@click.option(
    "--resume",
    metavar="RUN",
    help="Resume a run: id, id prefix, path, or `last`.",
    callback=refuse_blank,
    shell_complete=complete_runs,
)
@click.option("--take-over", is_flag=True, help="Take over the host's lock from another run; it is recorded.")
@click.option(
    "--matrix",
    metavar="FILE",
    help="A file that lists runs: runbooks x hosts x parameters.",
    callback=refuse_blank,
    shell_complete=complete_files,
)
@click.option(
    "--executor",
    type=click.Choice(["local", "dask"]),
    default="local",
    show_default=True,
    help="Run on this machine, or on a Dask cluster.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Dask scheduler address; default: start a local cluster.",
    callback=refuse_blank,
)
@click.option(
    "--sign-key",
    metavar="REF",
    envvar=_KEY,
    help="Sign each run's seal with this key: a file or a reference.",
    callback=refuse_blank,
    shell_complete=complete_files,
)
@click.option(
    "--kernels",
    type=click.Choice(KINDS),
    envvar=KERNELS,
    help="Fork kernels from a process that has the libraries loaded, or start each from scratch.",
)
def run_command(  # noqa: PLR0913, PLR0917 - click passes each option by name
    names: tuple[str, ...],
    file: str | None,
    pairs: tuple[tuple[str, str], ...],
    mode: str | None,
    hosts: str | None,
    timeout: float | None,
    with_needs: bool,  # noqa: FBT001 - as above
    on_failure: OnFailure,
    jobs: int | None,
    resume: str | None,
    take_over: bool,  # noqa: FBT001 - as above
    matrix: str | None,
    executor: Literal["local", "dask"],
    scheduler: str | None,
    sign_key: str | None,
    kernels: str | None,
) -> int:
    """Run runbooks headless, each after those that it needs.

    NAME is a runbook of notebooks/, as `runbook list` shows it, a prefix that only one of them has, or the path of a
    notebook. All parameters of all runbooks are checked before the first host is touched. Runs that do not need each
    other run in parallel, but never two on the same host if one may change it. The exit code is that of the worst run.
    """
    if not (names or matrix or resume):
        raise click.UsageError("name a runbook, or give --matrix or --resume")
    if matrix and (names or resume):
        raise click.UsageError("--matrix lists its own runs: it cannot be combined with NAME or --resume")
    if scheduler and executor != "dask":
        raise click.UsageError("--scheduler requires --executor dask")
    options = {"mode": mode, "hosts": hosts, "run_timeout": timeout, "take_over": take_over or None}
    with fork_server(kernels):  # it loads what kernels need while this process loads what it needs itself
        with paused_gc(freeze=True):  # it would take a tenth of the time in which everything is loaded
            _load_nbformat()
            from runbook_lib.execution.fleet.request import RunRequest  # noqa: PLC0415 - `--help` stays quick

            request = RunRequest(
                names=names,
                files=(file,) if file else (),
                pairs=pairs,
                options={name: value for name, value in options.items() if value is not None},
                matrix=matrix,
                resume=resume,
                with_needs=with_needs,
                sign_key=sign_key,
                executor=executor,
                scheduler=scheduler,
                jobs=jobs or os.cpu_count() or 1,
                on_failure=on_failure,
            )
            graph = _plan(request)
            _print_missing_needs(graph)
            _print_other_names(graph)
            if sign_key:
                os.environ[_KEY] = sign_key  # for the processes that run jobs
            from runbook_lib.cli.run_jobs import in_worker_processes, run_jobs  # noqa: PLC0415 - as above

            if not in_worker_processes(graph, request):
                _load_papermill()
            from runbook_lib.execution.fleet.job import exit_code_of_results  # noqa: PLC0415 - as above
        results = run_jobs(graph, request)
    return exit_code_of_results(results)


def run_in_turn(
    names: Sequence[str], pairs: Sequence[tuple[str, str]], defaults: Mapping[str, Mapping[str, Any]]
) -> list[Outcome]:
    """Check all runbooks' parameters, then run them one after another until one does not succeed.

    Args:
        names: Runbooks.
        pairs: Parameters for all of them, as YAML text.
        defaults: Parameters by runbook.

    Returns:
        The outcomes of the runs that were made.

    Raises:
        InputError: Any parameter of any runbook is wrong; no host was touched.
    """
    with fork_server():
        with paused_gc(freeze=True):
            _load_nbformat()
            from runbook_lib.execution.fleet.request import RunRequest  # noqa: PLC0415 - `--help` stays quick

            request = RunRequest(names=names, pairs=pairs, defaults=defaults)
            graph = _plan(request)
            _load_papermill()
            from runbook_lib.cli import run_jobs  # noqa: PLC0415 - as above
            from runbook_lib.execution.notebook.outcome import Outcome  # noqa: PLC0415 - as above
        results = run_jobs.run_in_turn(graph, request.on_failure)
    return [Outcome.read(Path(result.path), result.problem) for result in results if result.path]


def _load_nbformat() -> None:
    """Import what notebooks are read with, quickly, before anything else imports it as usual."""
    from runbook_lib.execution.fast_import import load_nbformat  # noqa: PLC0415 - as above

    load_nbformat()


def _plan(request: RunRequest) -> JobGraph:
    """Plan the jobs, and have the fork server load what their kernels need while this process loads papermill."""
    from runbook_lib.execution.fleet.job_graph import plan_run  # noqa: PLC0415 - as above
    from runbook_lib.execution.warm_kernels.fork_client import preload  # noqa: PLC0415 - as above

    graph = plan_run(request)
    preload(graph.connections)
    return graph


def _load_papermill() -> None:
    """Import what runs notebooks in this process."""
    from runbook_lib.execution.fast_import import load_papermill  # noqa: PLC0415 - as above

    load_papermill()
    from runbook_lib.execution.fleet import run_job  # noqa: F401, PLC0415 - papermill is loaded quickly before


def _print_missing_needs(graph: JobGraph) -> None:
    for need, runbooks in graph.missing_needs.items():
        click.echo(
            f"{', '.join(runbooks)}: needs {need}, which is not part of this run (--with-needs adds it)"
        )


def _print_other_names(graph: JobGraph) -> None:
    """Print which notebooks' runs are recorded under another name than the file's."""
    for job in graph.jobs:
        name = Path(job.notebook).stem
        if name != job.runbook:
            click.echo(f"{name}: its runs are recorded as {job.runbook}, the name in its parameter model")
