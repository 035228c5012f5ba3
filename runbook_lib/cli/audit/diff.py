"""`runbook audit diff`: two runs compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_lib.cli.audit.archive_options import archive_options, open_archive
from runbook_lib.cli.completed_names import complete_runs
from runbook_lib.printing.standard_streams import print_document
from runbook_lib.printing.utf8 import utf8_bytes
from runbook_lib.printing.visible_text import in_json, visible

if TYPE_CHECKING:
    import pandas as pd

    from runbook_lib.model.records import RunRecord
    from runbook_lib.printing.console import FilteredConsole

__all__ = ["diff_command"]

_DIFFERENCES = {"added": "only in B", "removed": "only in A"}


@click.command("diff")
@click.argument("first", metavar="A", shell_complete=complete_runs)
@click.argument("second", metavar="B", shell_complete=complete_runs)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "html", "json", "csv"]),
    default="table",
    show_default=True,
)
@click.option("-o", "--output", default="-", show_default=True, help="File; - is standard output.")
@archive_options
def diff_command(archive_settings: dict[str, Any], first: str, second: str, form: str, output: str) -> int:
    """Compare two runs: parameters, source cells, commands, checks, durations, facts.

    A and B are run directories, notebooks, ids or id prefixes of runs in the archive, or `last`. Facts of a
    host that differ have drifted between the two runs. The exit code is 0 whether or not anything differs.
    """
    from runbook_lib.audit.run_diff import compare, source_cells  # noqa: PLC0415 - `--help` stays quick
    from runbook_lib.report.report_file import is_standard_output, write_named_file  # noqa: PLC0415 - as above

    (before, path), (after, other) = _read([first, second], archive_settings)
    frame = compare(before, after, (source_cells(path), source_cells(other)))
    if is_standard_output(output):
        _print(frame, before, after, form)
    else:
        write_named_file(Path(output), utf8_bytes(_render(frame, before, after, form)))
        click.echo(output)
    return 0


def _read(names: list[str], archive_settings: dict[str, Any]) -> list[tuple[RunRecord, Path]]:
    from runbook_lib.evidence.lookup import read_run  # noqa: PLC0415 - `--help` stays quick

    paths = [Path(name) for name in names]
    if not all(path.exists() for path in paths):
        archive = open_archive(archive_settings)
        paths = [
            path if path.exists() else archive.locate(archive.find(name))
            for name, path in zip(names, paths, strict=True)
        ]
    return [(read_run(path), path) for path in paths]


def _print(frame: pd.DataFrame, before: RunRecord, after: RunRecord, form: str) -> None:
    from runbook_lib.printing.console import FilteredConsole  # noqa: PLC0415 - `--help` stays quick

    if form == "table":
        _print_table(frame, before, after, FilteredConsole())
    else:
        text = _render(frame, before, after, form)
        print_document(in_json(text) if form == "json" else text)


def _render(frame: pd.DataFrame, before: RunRecord, after: RunRecord, form: str) -> str:
    from io import StringIO  # noqa: PLC0415 - only here

    from runbook_lib.printing.console import FilteredConsole  # noqa: PLC0415 - `--help` stays quick

    if form == "json":
        return str(frame.to_json(orient="records", force_ascii=False, indent=1)) + "\n"
    if form == "csv":
        return str(frame.to_csv(index=False))
    if form == "html":
        from runbook_lib.audit.site.diff_page import diff_page  # noqa: PLC0415 - as above

        return diff_page(frame, before, after)
    text = StringIO()
    _print_table(frame, before, after, FilteredConsole(file=text))
    return text.getvalue()


def _print_table(frame: pd.DataFrame, before: RunRecord, after: RunRecord, console: FilteredConsole) -> None:
    from rich.text import Text  # noqa: PLC0415 - `--help` stays quick

    from runbook_lib.cli.readable_rows import print_rows  # noqa: PLC0415 - as above

    console.print(Text(f"A {before.run}: {before.status}\nB {after.run}: {after.status}"))
    if frame.empty:
        console.print("no differences")
    for section, part in frame.groupby("section", sort=False):
        rows = [
            (
                row.place,
                row.host,
                row.name,
                _DIFFERENCES.get(str(row.how), row.how),
                row.before or "",
                row.after or "",
            )
            for row in part.itertuples()
        ]
        console.print()
        console.print(Text(str(section), "bold"))
        names = ("step", "host", "name", "difference", "A", "B")
        cells = [[Text(visible(_short(str(cell)))) for cell in row] for row in rows]
        print_rows(console, names, cells, heading=2)


def _short(text: str, most: int = 400) -> str:
    return text if len(text) <= most else f"{text[:most]} … ({len(text)} characters)"
