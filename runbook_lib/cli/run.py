"""`runbook run`: run runbooks headless, in the order of their needs."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

import click

from runbook_lib.execution.warm_kernels.lifetime import KERNELS, KINDS, pool

if TYPE_CHECKING:
    from runbook_lib.execution.fleet.job_graph import Wanted
    from runbook_lib.execution.fleet.scheduler import OnFailure
    from runbook_lib.execution.notebook.run_notebook import Outcome

__all__ = ["carry_out", "run_command"]

_KEY = "RUNBOOK_SIGNING_KEY"


@click.command("run")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-f", "file", metavar="FILE", help="Parameters file (YAML).")
@click.option("-p", "pairs", nargs=2, multiple=True, metavar="NAME VALUE", help="A parameter; wins over -f.")
@click.option("--mode", type=click.Choice(["plan", "apply", "validate"]), help="What the run may do.")
@click.option("--hosts", metavar="PATTERN", help="Names, groups or patterns, separated by commas.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Interrupt each run that takes longer.")
@click.option("--with-needs", is_flag=True, help="Run what the runbooks need too.")
@click.option(
    "--on-failure",
    type=click.Choice(["stop", "continue"]),
    default="stop",
    show_default=True,
    help="After a run that did not end well: begin no other, or go on with those that do not need it.",
)
@click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="Runs at the same time. Default: number of cores."
)
@click.option("--resume", metavar="RUN", help="Go on with a run: its id, a beginning of it, a path, or last.")
@click.option("--take-over", is_flag=True, help="Take a host's lock from another run; it is recorded.")
@click.option("--matrix", metavar="FILE", help="A file of runs: runbooks x hosts x parameters.")
@click.option("--executor", type=click.Choice(["local", "dask"]), default="local", show_default=True)
@click.option("--scheduler", metavar="ADDRESS", help="Dask's; without it Dask starts here.")
@click.option(
    "--sign-key", metavar="REF", envvar=_KEY, help="Sign each run's seal: a key's file or a reference."
)
@click.option(
    "--kernels",
    type=click.Choice(KINDS),
    envvar=KERNELS,
    help="Fork kernels from a process that has the libraries loaded, or start each anew.",
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
    executor: str,
    scheduler: str | None,
    sign_key: str | None,
    kernels: str | None,
) -> int:
    """Run runbooks headless, each after those that it needs.

    NAME is a runbook of notebooks/, as `runbook list` shows them, or a notebook's path. All parameters
    of all runbooks are checked before the first host is touched. Runs that need nothing of each other go side by
    side, but never two on the same host if one may change it. The exit code is that of the worst run.
    """
    if not (names or matrix or resume):
        raise click.UsageError("name a runbook, or give --matrix or --resume")
    if matrix and (names or resume):
        raise click.UsageError("--matrix names its runs itself: it goes with neither NAME nor --resume")
    if scheduler and executor != "dask":
        raise click.UsageError("--scheduler is Dask's: it goes with --executor dask")
    with pool(kernels):  # its process loads what kernels need while this one loads what it needs itself
        _load()
        from runbook_lib.cli import run_jobs  # noqa: PLC0415 - `--help` stays quick
        from runbook_lib.execution.fleet import job_graph, request  # noqa: PLC0415 - as above
        from runbook_lib.execution.notebook import run_notebook  # noqa: PLC0415 - as above
        from runbook_lib.model.status import worst  # noqa: PLC0415 - as above

        chosen: dict[str, Any] = {"mode": mode, "hosts": hosts, "run_timeout": timeout}
        options = {name: value for name, value in chosen.items() if value is not None}
        if take_over:
            options["take_over"] = True
        wanted = request.for_runs(
            names, file, pairs, options, matrix=matrix, resume=resume, with_needs=with_needs
        )
        _say_what_is_not_named(wanted)
        if sign_key:
            _check_signing(sign_key)
        results = run_jobs.all_units(
            job_graph.arrange(wanted),
            jobs=jobs or os.cpu_count() or 1,
            on_failure=on_failure,
            executor=executor,
            scheduler=scheduler,
            table=bool(matrix),
        )
    return run_notebook.exit_code(worst([result.status for result in results]))


def carry_out(
    names: list[str],
    file: str | None,
    pairs: list[tuple[str, str]],
    extra: dict[str, dict[str, Any]] | None = None,
) -> list[Outcome]:
    """Check all runbooks' parameters, then run them in turn until one does not end well.

    Args:
        names: Runbooks.
        file: Parameters file for all of them, or None.
        pairs: Single parameters for all of them.
        extra: Parameters by runbook.

    Raises:
        InputError: Any parameter of any runbook is wrong; no host was touched.
    """
    from pathlib import Path  # noqa: PLC0415 - `--help` stays quick

    with pool():
        _load()
        from runbook_lib.cli.run_jobs import in_turn  # noqa: PLC0415 - as above
        from runbook_lib.execution.fleet import job_graph, request  # noqa: PLC0415 - as above
        from runbook_lib.execution.notebook import run_notebook  # noqa: PLC0415 - as above

        wanted = request.for_runs(names, file, pairs, {}, extra=extra)
        results = in_turn(job_graph.arrange(wanted), "stop")
    return [run_notebook.Outcome.read(Path(result.path), result.problem) for result in results if result.path]


def _load() -> None:
    """Load what carrying runs out needs, as quickly as it goes."""
    from runbook_lib.execution.fast_import import load_papermill, nothing_is_garbage  # noqa: PLC0415 - as above

    with nothing_is_garbage():
        load_papermill()
        importlib.import_module("runbook_lib.cli.run_jobs")


def _check_signing(key: str) -> None:
    """Have the processes that carry runs out sign with a key, which must be usable now."""
    from runbook_lib import attestation  # noqa: PLC0415 - `--help` stays quick

    attestation.signers(key)
    os.environ[_KEY] = key


def _say_what_is_not_named(wanted: list[Wanted]) -> None:
    from runbook_lib.execution.fleet.job_graph import not_named  # noqa: PLC0415 - as above

    for need, by in not_named([want.entry for want in wanted]).items():
        click.echo(f"{', '.join(by)}: needs {need}, which is not run here (--with-needs adds it)")
