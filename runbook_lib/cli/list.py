"""`runbook list`: the runbooks, and how the last run of each ended."""

from __future__ import annotations

import click

__all__ = ["list_command"]


@click.command("list")
@click.option("--runs", default="runs", show_default=True, help="The directory with the run directories.")
def list_command(runs: str) -> int:
    """List the runbooks: order, target, risk, last outcome."""
    from rich.table import Column, Table  # noqa: PLC0415 - `--help` stays quick
    from rich.text import Text  # noqa: PLC0415 - as above

    from runbook_lib.cli.console import FilteredConsole  # noqa: PLC0415 - as above
    from runbook_lib.cli.last_outcome import last_outcome  # noqa: PLC0415 - as above
    from runbook_lib.execution.catalog import listing  # noqa: PLC0415 - as above
    from runbook_lib.project import notebooks_folder, project_top  # noqa: PLC0415 - as above

    found = listing()
    names = Column("runbook", no_wrap=True)  # so that it can be copied
    table = Table(names, "title", "target", "risk", "last outcome", box=None, pad_edge=False)
    for entry in found.runbooks:
        outcome = last_outcome(entry.name, project_top() / runs).text
        table.add_row(*map(Text, (entry.name, entry.model.title, entry.target, entry.risk, outcome)))
    FilteredConsole().print(table)
    folder = notebooks_folder()
    shown = folder.relative_to(project_top()) if folder.is_relative_to(project_top()) else folder
    for name, purpose in found.analyses.items():
        click.echo(f"\nanalysis, touches no host: {name}: {purpose}")
        click.echo(f"  papermill {shown}/{name}.ipynb out.ipynb")
    if not folder.is_relative_to(project_top()):
        click.echo("\nThere is no folder `notebooks` here or above: these runbooks come with runbook-lib.")
        click.echo("`runbook new NAME` makes one of your own.")
    return 0
