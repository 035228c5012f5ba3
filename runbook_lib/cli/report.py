"""`runbook report`: a run as page, JUnit, Markdown or tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runbook_lib.books.docker.hops import with_hop_ids
from runbook_lib.errors import InputError
from runbook_lib.evidence.lookup import find_run, read_run
from runbook_lib.project import project_top
from runbook_lib.report.formats import PAGES as _PAGES
from runbook_lib.report.formats import TABLES as _TABLES
from runbook_lib.report.report_file import write_bytes
from runbook_lib.report.summary import of_runs
from runbook_lib.report.tables import tables

if TYPE_CHECKING:
    from runbook_lib.model.records import RunRecord

__all__ = ["report_command"]

_STDOUT = "-"


@click.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--format",
    "form",
    type=click.Choice([*_PAGES, *_TABLES]),
    default="html",
    show_default=True,
    help="csv and parquet make a directory with one file a table.",
)
@click.option(
    "-o",
    "--output",
    help="File, or directory for csv and parquet; - is standard output. Default: in the run's directory.",
)
@click.option("--title", help="The report's heading. Default: the runbook's title, or Runs.")
@click.option("--runs", "below", default="runs", show_default=True, help="Where to look RUN up by its id.")
def report_command(
    runs: tuple[str, ...], form: str, output: str | None, title: str | None, below: str
) -> None:
    """Tell what runs did: as a page to read, JUnit for CI, Markdown, or tables.

    RUN is a run directory, its journal, an executed notebook, the beginning of a run's id, or `last`.
    The exit code tells whether the report was made, not how the runs ended.
    """
    paths = [find_run(name, project_top() / below) for name in runs]
    records = [with_hop_ids(read_run(path)) for path in paths]
    heading = title or _heading(records)
    if form in _PAGES:
        name, make = _PAGES[form]
        data = make(records, heading)
        if output == _STDOUT:
            click.echo(data, nl=False)
            return
        target = Path(output) if output else _beside(paths, name)
        if not target.parent.is_dir():
            raise InputError("there is no such directory", where=str(target.parent), hint="make it first")
        write_bytes(target, data)
        written = [target]
    else:
        if output == _STDOUT:
            raise InputError(
                f"{form} is several files: they cannot go to standard output", hint="name a directory"
            )
        written = _TABLES[form](tables(records), Path(output) if output else _beside(paths, form))
    outcome = of_runs(records)
    click.echo(f"{outcome.headline}. {outcome.sentence}")
    for path in written:
        click.echo(str(path))


def _beside(paths: list[Path], name: str) -> Path:
    """Return where a single run's report goes: into its directory.

    Raises:
        InputError: There are several runs, or a notebook alone.
    """
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0] / name
    if len(paths) == 1 and paths[0].name == "journal.jsonl":
        return paths[0].parent / name
    raise InputError(
        "several runs, or a run that is no directory, have no place of their own for a report",
        hint=f"name one, for example --output {name}",
    )


def _heading(records: list[RunRecord]) -> str:
    if len(records) == 1:
        return records[0].title or records[0].runbook
    return "Runs"
