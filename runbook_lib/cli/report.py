"""`runbook report`: a run as a page, JUnit XML, Markdown, tables, or a format of another package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runbook_lib.books.docker.hops import with_hop_ids
from runbook_lib.cli.completed_names import complete_runs
from runbook_lib.errors import InputError
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.evidence.lookup import find_run, read_run
from runbook_lib.printing.standard_streams import print_document
from runbook_lib.project import project_top
from runbook_lib.report.formats import FileFormat, ReportFormat, default_target, format_names, load_format
from runbook_lib.report.report_file import is_standard_output, write_named_file
from runbook_lib.report.summary import outcome_of_runs

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from runbook_lib.model.records import RunRecord

__all__ = ["report_command"]


class _Format(click.ParamType):  # type: ignore[type-arg] # generic in newer versions of click only
    """The name of a report format; the formats are looked up only when they are needed."""

    name = "format"

    def convert(
        self,
        value: ReportFormat | str,
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002 - as above
    ) -> ReportFormat:
        """Load the format of a name."""
        return value if isinstance(value, ReportFormat) else load_format(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002 - as above
        """Return the names for the help."""
        return f"[{'|'.join(format_names())}]"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - as above
        param: click.Parameter,  # noqa: ARG002 - as above
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the names that begin with what was typed."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell needs it

        return [CompletionItem(name) for name in format_names() if name.startswith(incomplete)]


@click.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", shell_complete=complete_runs)
@click.option(
    "--format",
    "report_format",
    type=_Format(),
    default="html",
    show_default=True,
    help="csv and parquet write a directory with one file per table.",
)
@click.option(
    "-o",
    "--output",
    help="File, or directory for csv and parquet; - is standard output. Default: in the run's directory.",
)
@click.option(
    "--title", help="Heading of the report. Default: the runbook's title; for several runs, `Runs`."
)
@click.option(
    "--runs",
    "runs_directory",
    default="runs",
    show_default=True,
    help="Directory in which to look up run ids.",
)
def report_command(
    runs: tuple[str, ...],
    report_format: ReportFormat,
    output: str | None,
    title: str | None,
    runs_directory: str,
) -> None:
    """Write a report on runs: a page to read, JUnit for CI, Markdown, or tables.

    RUN is a run directory, its journal, an executed notebook, a run id or its prefix, or `last`. The exit code says
    whether the report was written, not how the runs ended.
    """
    paths = [find_run(name, project_top() / runs_directory) for name in runs]
    records = [with_hop_ids(read_run(path)) for path in paths]
    heading = title or _heading(records)
    if output and is_standard_output(output):
        if not isinstance(report_format, FileFormat):
            raise InputError(
                "this format writes several files, which cannot go to standard output",
                where="--output",
                hint="name a directory",
            )
        print_document(report_format.render(records, heading).decode())
        return
    target = Path(output) if output else default_target(report_format, _run_directory(paths, report_format))
    if isinstance(report_format, FileFormat) and output and not target.parent.is_dir():
        raise InputError(
            "no such directory", where=str(target.parent), hint="create the directory, or name another one"
        )
    if output and isinstance(report_format, FileFormat):
        write_named_file(target, report_format.render(records, heading))
        written = [target]
    else:
        written = report_format.write(records, heading, target)
    outcome = outcome_of_runs(records)
    click.echo(f"{outcome.headline}. {outcome.sentence}")
    for path in written:
        click.echo(str(path))


def _run_directory(paths: list[Path], report_format: ReportFormat) -> Path:
    """Return the directory of the one run to report on.

    Raises:
        InputError: There are several runs, or the run is a standalone notebook.
    """
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0]
    if len(paths) == 1 and paths[0].name == JOURNAL:
        return paths[0].parent
    raise InputError(
        "a report on several runs has no default place"
        if len(paths) > 1
        else "a report on a standalone notebook has no default place",
        where="--output",
        hint=f"say where to write the report, for example --output {report_format.default_name}",
    )


def _heading(records: list[RunRecord]) -> str:
    if len(records) == 1:
        return records[0].title or records[0].runbook
    return "Runs"
