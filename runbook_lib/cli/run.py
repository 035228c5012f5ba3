"""`runbook run`: run runbooks headless, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runbook_lib.execution.warm.pool import KERNELS, KINDS, pool

if TYPE_CHECKING:
    from runbook_lib.execution.headless import Outcome

__all__ = ["carry_out", "run_command"]


@click.command("run")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-f", "file", metavar="FILE", help="Parameters file (YAML).")
@click.option("-p", "pairs", nargs=2, multiple=True, metavar="NAME VALUE", help="A parameter; wins over -f.")
@click.option("--mode", type=click.Choice(["plan", "apply", "validate"]), help="What the run may do.")
@click.option("--hosts", metavar="PATTERN", help="Names, groups or patterns, separated by commas.")
@click.option(
    "--kernels",
    type=click.Choice(KINDS),
    envvar=KERNELS,
    help="Fork kernels from a process that has the libraries loaded, or start each anew.",
)
def run_command(  # noqa: PLR0913, PLR0917 - one an option
    names: tuple[str, ...],
    file: str | None,
    pairs: tuple[tuple[str, str], ...],
    mode: str | None,
    hosts: str | None,
    kernels: str | None,
) -> int:
    """Run runbooks headless, one after another; stop at the first that does not end well.

    NAME is a runbook of notebooks/, as `runbook list` shows them, or a notebook's path. All parameters
    of all runbooks are checked before the first host is touched.
    """
    chosen = [pair for pair in (("mode", mode), ("hosts", hosts)) if pair[1]]
    with pool(kernels):
        outcomes = carry_out(list(names), file, [*pairs, *chosen])  # type: ignore[list-item]
    from runbook_lib.execution.headless import exit_code  # noqa: PLC0415 - `--help` stays quick

    return exit_code(outcomes[-1].status)


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
    from runbook_lib.execution.loading import load_papermill  # noqa: PLC0415 - `--help` stays quick

    load_papermill()
    from runbook_lib.cli.progress import Progress  # noqa: PLC0415 - as above
    from runbook_lib.execution import catalog, headless  # noqa: PLC0415 - as above

    values, source = catalog.given(file, pairs)
    entries = [catalog.find(name) for name in names]
    wanted = [{**(extra or {}).get(entry.name, {}), **values} for entry in entries]
    checked = [catalog.check(entry, given, source) for entry, given in zip(entries, wanted, strict=True)]
    outcomes: list[Outcome] = []
    for entry, parameters, given in zip(entries, checked, wanted, strict=True):
        progress = Progress()
        outcome = headless.run(entry, parameters, given, progress.tell)
        progress.end()
        outcomes.append(outcome)
        _leave_reports(outcome)
        if outcome.record and outcome.record.incomplete:
            progress.say(f"  ? {outcome.status}: {outcome.record.incomplete}")
        if outcome.problem and not (outcome.record and outcome.record.steps):
            progress.say(f"  {outcome.problem}")
        progress.say(f"  evidence: {outcome.path}")
        if headless.exit_code(outcome.status):
            break
    return outcomes


def _leave_reports(outcome: Outcome) -> None:
    if outcome.record is None:
        return
    from runbook_lib.report.html import write_html  # noqa: PLC0415 - as above
    from runbook_lib.report.junit import write_junit  # noqa: PLC0415 - as above

    write_html([outcome.record], outcome.path / "report.html", outcome.record.title)
    write_junit([outcome.record], outcome.path / "junit.xml")
