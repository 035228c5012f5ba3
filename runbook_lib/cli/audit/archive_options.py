"""Options of every command over an archive, and how its tables are printed."""

from __future__ import annotations

import functools
from collections import Counter
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from runbook_lib.errors import InputError
from runbook_lib.printing.standard_streams import print_document
from runbook_lib.printing.visible_text import in_json, visible
from runbook_lib.project import expanded
from runbook_lib.readable_time import local_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from runbook_lib.audit.archive.archive import Archive

__all__ = [
    "archive_options",
    "one_archive",
    "open_archive",
    "print_table",
    "runs_directory",
    "runs_options",
    "trust_option",
]

_MOST_INTEGER = 1 << 63  # what a reader of JSON can be expected to read as a whole number

trust_option = click.option(
    "--trust",
    multiple=True,
    metavar="DIR|FILE",
    help="Trusted public keys. Default: the project's trusted_keys/, except for runs in that project.",
)
"""Whose signatures make a run `verified`."""


_archive_argument = click.argument("archive", required=False, metavar="[ARCHIVE]")


def archive_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add [ARCHIVE], --archive, --cache, --as-is and --dask to a command, which gets them as `archive_settings`.

    Every command over runs takes its archive in both forms: as its last argument, and as an option.
    """

    @_archive_argument
    @click.option(
        "--archive",
        "address",
        metavar="PATH",
        help="The same as ARCHIVE: a directory with runs and notebooks, or an address such as s3://bucket/runs. "
        "Default: runs.",
    )
    @click.option("--cache", type=click.Path(file_okay=False), help="Cache directory. Default: in ~/.cache.")
    @click.option("--as-is", is_flag=True, help="Do not look for new runs: answer from the cache.")
    @click.option("--dask", metavar="ADDRESS", help="Read on this Dask cluster.")
    @functools.wraps(command)
    def with_archive(
        *,
        archive: str | None,
        address: str | None,
        cache: str | None,
        as_is: bool,
        dask: str | None,
        **options: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401 - click
        settings = {"address": one_archive(archive, address), "cache": cache, "as_is": as_is, "dask": dask}
        return command(archive_settings=settings, **options)

    return with_archive


def runs_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add [ARCHIVE] and --archive to a command that needs run directories, which gets the directory as `runs`."""

    @_archive_argument
    @click.option(
        "--archive",
        "--runs",
        "address",
        metavar="DIR",
        help="The same as ARCHIVE: the directory to look up run ids in. Default: runs.",
    )
    @functools.wraps(command)
    def with_runs(*, archive: str | None, address: str | None, **options: Any) -> Any:  # noqa: ANN401 - click
        return command(runs=runs_directory(one_archive(archive, address)), **options)

    return with_runs


def one_archive(argument: str | None, option: str | None) -> str | None:
    """Return the archive that is given as an argument or as an option.

    Raises:
        UsageError: Both are given, and differ.
    """
    if argument and option and argument != option:
        raise click.UsageError(f"two archives are given: {argument} and --archive {option}")
    return argument or option


def runs_directory(address: str | None) -> Path:
    """Return the directory with the run directories: as given, or below the project's top directory."""
    from runbook_lib.project import project_top  # noqa: PLC0415 - `--help` stays quick

    given = expanded(address or "runs")
    return given if address and given.exists() else project_top() / given


def open_archive(settings: dict[str, Any]) -> Archive:
    """Open the archive that the options name.

    Args:
        settings: From `archive_options`.

    Raises:
        InputError: No such archive, or no such cluster.
    """
    from runbook_lib.audit.archive.archive import Archive  # noqa: PLC0415 - `--help` stays quick
    from runbook_lib.project import project_top  # noqa: PLC0415 - as above

    address = settings["address"] or project_top() / "runs"
    with ExitStack() as stack:
        executor: Any = "processes"
        if settings["dask"]:
            from runbook_lib.execution.fleet.dask_cluster import dask_executor  # noqa: PLC0415 - as above

            executor, _, _ = stack.enter_context(dask_executor(settings["dask"]))
        report = stack.enter_context(_progress())
        return Archive(
            address, cache=settings["cache"], executor=executor, refresh=not settings["as_is"], report=report
        )


def print_table(table: pa.Table, form: str, heading: int = 1) -> None:
    """Print an Arrow table.

    Args:
        table: What to print.
        form: `table`, `csv` or `json`.
        heading: How many columns are on the first line of a row that a narrow terminal shows on several.

    Raises:
        InputError: A value cannot be shown, such as a time after the year 9999; or JSON would have a name twice.
    """
    try:
        if form == "json":
            print_document(in_json(_json(table)))
        elif form == "csv":
            frame = table.to_pandas()
            print_document(frame.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%f%z"))
        else:
            _rich(table, heading)
    except (ArithmeticError, NotImplementedError, ValueError) as problem:  # also Arrow's
        raise InputError(
            f"the result contains a value that cannot be shown: {problem}",
            where="query",
            hint="cast the column to text: column::varchar",
        ) from problem


def _json(table: pa.Table) -> str:
    import orjson  # noqa: PLC0415 - `--help` stays quick

    twice = sorted(name for name, count in Counter(table.column_names).items() if count > 1)
    if twice:
        raise InputError(
            f"several columns have the name {twice[0]}",
            where="query",
            hint="name each of them with AS: a JSON object has each name once",
        )
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2
    return orjson.dumps(table.to_pylist(), option=options, default=_plain).decode()


def _plain(value: Any) -> Any:  # noqa: ANN401 - a value of any column
    """Return what JSON can have: the sum of whole numbers is one, though SQL makes a decimal of it."""
    if isinstance(value, Decimal) and value == value.to_integral_value() and abs(value) < _MOST_INTEGER:
        return int(value)
    return str(value)


def _rich(table: pa.Table, heading: int) -> None:
    from rich.text import Text  # noqa: PLC0415 - `--help` stays quick

    from runbook_lib.cli.readable_rows import print_rows  # noqa: PLC0415 - as above
    from runbook_lib.printing.console import FilteredConsole  # noqa: PLC0415 - as above

    columns = [[Text(visible(_cell(value))) for value in column.to_pylist()] for column in table.columns]
    print_rows(FilteredConsole(), table.column_names, [*zip(*columns, strict=True)], heading=heading)


def _cell(value: Any) -> str:  # noqa: ANN401 - a value of any column
    from datetime import datetime  # noqa: PLC0415 - only here

    if value is None:
        return ""
    if isinstance(value, datetime):
        return local_time(value, seconds=True)
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _progress() -> Any:  # noqa: ANN401 - a context manager
    """Show a progress bar on a terminal while reading takes a while."""
    from contextlib import contextmanager  # noqa: PLC0415 - only here

    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    from runbook_lib.printing.console import FilteredConsole  # noqa: PLC0415 - `--help` stays quick

    @contextmanager
    def shown() -> Iterator[Callable[[int, int], None]]:
        console = FilteredConsole(stderr=True)
        if not console.is_terminal:  # older versions of rich print an empty line though the bar is disabled
            yield lambda _done, _whole: None
            return
        columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=None, visible=False)
            yield lambda done, whole: progress.update(task, completed=done, total=whole, visible=True)

    return shown()
