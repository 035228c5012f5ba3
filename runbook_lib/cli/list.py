"""`runbook list`: the runbooks, and how the last run of each ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runbook_lib.model.records import RunRecord

__all__ = ["list_command"]


@click.command("list")
@click.option("--runs", default="runs", show_default=True, help="The directory with the run directories.")
def list_command(runs: str) -> int:
    """List the runbooks: order, target, risk, last outcome."""
    from rich.table import Table  # noqa: PLC0415 - `--help` stays quick
    from rich.text import Text  # noqa: PLC0415 - as above

    from runbook_lib.cli.console import FilteredConsole  # noqa: PLC0415 - as above
    from runbook_lib.errors import EvidenceError  # noqa: PLC0415 - as above
    from runbook_lib.evidence.reader import read_journal  # noqa: PLC0415 - as above
    from runbook_lib.execution.catalog import analyses, runbooks  # noqa: PLC0415 - as above
    from runbook_lib.project import notebooks_folder, project_top  # noqa: PLC0415 - as above

    table = Table("runbook", "title", "target", "risk", "last outcome", box=None, pad_edge=False)
    for entry in runbooks():
        outcome = "never run"
        for path in sorted((project_top() / runs).glob(f"*_{entry.name}_*"), reverse=True)[:1]:
            try:
                outcome = _outcome(read_journal(path))
            except EvidenceError as problem:
                outcome = f"? {problem.message}"
        table.add_row(*map(Text, (entry.name, entry.model.title, entry.target, entry.risk, outcome)))
    FilteredConsole().print(table)
    folder = notebooks_folder()
    shown = folder.relative_to(project_top()) if folder.is_relative_to(project_top()) else folder
    for name, purpose in analyses().items():
        click.echo(f"\nanalysis, touches no host: {name}: {purpose}")
        click.echo(f"  papermill {shown}/{name}.ipynb out.ipynb")
    if not folder.is_relative_to(project_top()):
        click.echo("\nThere is no folder `notebooks` here or above: these runbooks come with runbook-lib.")
        click.echo("`runbook new NAME` makes one of your own.")
    return 0


def _outcome(record: RunRecord) -> str:
    """Return how a run ended, or that it is still running, or that its process was killed."""
    from runbook_lib.evidence.liveness import Liveness, liveness  # noqa: PLC0415 - as above
    from runbook_lib.model.status import SYMBOLS  # noqa: PLC0415 - `--help` stays quick

    where = f"{record.mode}, {record.started:%Y-%m-%d %H:%M} UTC"
    match liveness(record):
        case Liveness.RUNNING:
            return f"… running, {where}"
        case Liveness.STALE:
            return f"{SYMBOLS[record.status]} {record.status}, stale (its process has died), {where}"
        case _:
            return f"{SYMBOLS[record.status]} {record.status}, {where}"
