"""`runbook list`: the runbooks, and how the last run of each ended."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.execution.catalog import CatalogEntry

__all__ = ["list_command"]

_GAP = "  "


@click.command("list")
@click.option("--runs", default="runs", show_default=True, help="The directory with the run directories.")
def list_command(runs: str) -> int:
    """List the runbooks: order, target, risk, last outcome.

    Notebooks that are meant as runbooks and cannot be read are named, with the reason; the exit code is then 2.
    """
    from runbook_lib.cli.last_outcome import last_outcome  # noqa: PLC0415 - as above
    from runbook_lib.errors import InputError  # noqa: PLC0415 - as above
    from runbook_lib.execution.catalog import listing  # noqa: PLC0415 - as above
    from runbook_lib.printing.console import FilteredConsole  # noqa: PLC0415 - `--help` stays quick
    from runbook_lib.project import notebooks_folder, project_top  # noqa: PLC0415 - as above

    found = listing()
    outcomes = {entry.name: last_outcome(entry.name, project_top() / runs).text for entry in found.runbooks}
    console = FilteredConsole()
    for line in _lines(found.runbooks, outcomes, console.width if console.is_terminal else 0):
        console.write_line(line)
    folder = notebooks_folder()
    shown = folder.relative_to(project_top()) if folder.is_relative_to(project_top()) else folder
    for name, purpose in found.analyses.items():
        click.echo(f"\nanalysis, touches no host: {name}: {purpose}")
        click.echo(f"  papermill {shown}/{name}.ipynb out.ipynb")
    if found.others:
        click.echo(f"\nnot runbooks, since no cell calls Runbook.open(): {', '.join(found.others)}")
    if not folder.is_relative_to(project_top()):
        click.echo("\nThere is no folder `notebooks` here or above: these runbooks come with runbook-lib.")
        click.echo("`runbook new NAME` makes one of your own.")
    for problem in found.problems.values():
        click.echo(f"\n{type(problem).__name__}: {problem}", err=True)
    return InputError.exit_code if found.problems else 0


def _lines(entries: list[CatalogEntry], outcomes: dict[str, str], width: int) -> Iterator[str]:
    """Yield a line per runbook; on a narrow terminal, a few lines with all that a table would have.

    Args:
        entries: The runbooks.
        outcomes: How the last run of each ended.
        width: Columns of the terminal; 0: lines may be of any length.
    """
    rows = [
        tuple(
            " ".join(text.split())  # a title of several lines would look like several runbooks
            for text in (entry.name, entry.model.title, entry.target, entry.risk, outcomes[entry.name])
        )
        for entry in entries
    ]
    table = [("runbook", "title", "target", "risk", "last outcome"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    if not width or sum(widths) + len(_GAP) * (len(widths) - 1) <= width:
        for row in table:
            yield _GAP.join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()
        return
    margin = " " * (widths[0] + len(_GAP))
    for name, title, target, risk, outcome in rows:
        about = [title, f"{target}; risk: {risk or 'not stated'}", outcome]
        lines = [line for text in about for line in textwrap.wrap(text, max(width - len(margin), 20)) or [""]]
        yield f"{name.ljust(widths[0])}{_GAP}{lines[0]}"
        yield from (margin + line for line in lines[1:])
