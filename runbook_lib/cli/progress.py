"""`runbook progress`: how far learners are in the lessons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runbook_lib.project import expanded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.learning.progress import TaskProgress

__all__ = ["progress_command"]


@click.command("progress")
@click.argument("runs", nargs=-1, metavar="[RUNS]...")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: each task that was tried.")
def progress_command(runs: tuple[str, ...], as_csv: bool) -> int:  # noqa: FBT001 - click passes options by name
    """Show how far learners are: each lesson's tasks, tries, and when each was solved.

    RUNS are directories with run directories, such as those of a class, one per learner. Default: learn/runs.
    """
    from runbook_lib.errors import InputError  # noqa: PLC0415 - as above
    from runbook_lib.learning.progress import progress, read_progress  # noqa: PLC0415 - as above

    for place in runs:
        if not expanded(place).is_dir():
            raise InputError("not a directory", where=place, hint="name directories with run directories")
    if as_csv:
        click.echo(progress(*runs).to_csv(index=False), nl=False)
        return 0
    found = read_progress(*runs)
    if found:
        _print_table(found)
    solved = sum(task.solved is not None for task in found)
    click.echo(f"tasks tried: {len(found)}, solved: {solved}")
    if not runs:
        _print_untried({(task.lesson, task.task) for task in found})
    return 0


def _print_table(found: Sequence[TaskProgress]) -> None:
    from rich.table import Column, Table  # noqa: PLC0415 - `--help` stays quick
    from rich.text import Text  # noqa: PLC0415 - as above

    from runbook_lib.model.status import SYMBOLS, Status  # noqa: PLC0415 - as above
    from runbook_lib.printing.console import FilteredConsole  # noqa: PLC0415 - as above
    from runbook_lib.readable_time import local_time  # noqa: PLC0415 - as above

    several = len({task.learner for task in found}) > 1
    columns: list[Column | str] = [
        *(["learner"] * several),
        Column("lesson", no_wrap=True),
        "task",
        "tries",
        "solved",
    ]
    table = Table(*columns, box=None, pad_edge=False)
    for task in found:
        mark = SYMBOLS[Status.OK if task.solved else Status.PLANNED]
        when = local_time(task.solved) if task.solved else task.state
        cells = [*([task.learner] * several), task.lesson, task.task, str(task.tries), f"{mark} {when}"]
        table.add_row(*map(Text, cells))
    FilteredConsole().print(table)


def _print_untried(tried: set[tuple[str, str]]) -> None:
    """Print the tasks of the learner's lessons that were not tried yet."""
    from runbook_lib.execution.catalog import listing  # noqa: PLC0415 - as above
    from runbook_lib.learning.progress import task_titles  # noqa: PLC0415 - as above

    left = [
        (entry.name, title)
        for entry in listing().runbooks
        for title in task_titles(entry.notebook)
        if (entry.name, title) not in tried
    ]
    if left:
        click.echo("not tried yet:")
    for lesson, title in left:
        click.echo(f"  {lesson}: {title}")
