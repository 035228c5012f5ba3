"""`runbook show`: what a runbook does, its parameters, its steps, and how its last run ended."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from runbook_lib.cli.completed_names import complete_runbooks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.cli.last_outcome import LastOutcome
    from runbook_lib.execution.catalog import CatalogEntry
    from runbook_lib.execution.description import Description, ParameterDescription

__all__ = ["show_command"]

_WIDTH = 80  # columns


@click.command("show")
@click.argument("name", shell_complete=complete_runbooks)
@click.option("--runs", default="runs", show_default=True, help="The directory with the run directories.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_command(name: str, runs: str, as_json: bool) -> int:  # noqa: FBT001 - click passes options by name
    """Show a runbook: what it does, its parameters, its steps, how its last run ended.

    NAME is a runbook of notebooks/, as `runbook list` shows it, a prefix that only one of them has, or the path of a
    notebook. Nothing is executed.
    """
    import json  # noqa: PLC0415 - `--help` stays quick

    from runbook_lib.cli.last_outcome import last_outcome  # noqa: PLC0415 - as above
    from runbook_lib.execution.catalog import find  # noqa: PLC0415 - as above
    from runbook_lib.execution.description import describe  # noqa: PLC0415 - as above
    from runbook_lib.printing.standard_streams import print_document  # noqa: PLC0415 - as above
    from runbook_lib.printing.visible_text import in_json  # noqa: PLC0415 - as above
    from runbook_lib.project import project_top  # noqa: PLC0415 - as above

    entry = find(name, typed=True)
    description = describe(entry)
    last = last_outcome(entry.name, project_top() / runs)
    if as_json:
        text = json.dumps(_data(entry, description, last), indent=2, ensure_ascii=False)
        print_document(in_json(text) + "\n")
    else:
        click.echo("\n".join(_lines(entry, description, last)))
    return 0


def _data(entry: CatalogEntry, description: Description, last: LastOutcome) -> dict[str, Any]:
    record = last.record
    run = (
        {"status": record.status, "mode": record.mode, "started": record.started.isoformat()}
        if record
        else {}
    )
    return {
        "runbook": entry.name,
        "title": entry.model.title,
        "notebook": str(entry.path),
        "target": entry.target,
        "risk": entry.risk,
        "needs": [*entry.needs],
        **asdict(description),
        "last_run": {"directory": str(last.directory), **run} if last.directory else None,
    }


def _lines(entry: CatalogEntry, description: Description, last: LastOutcome) -> Iterator[str]:
    yield from _wrapped(f"{entry.name}: {entry.model.title}", "")
    about = {"target": entry.target, "risk": entry.risk, "needs": ", ".join(entry.needs)}
    for label, text in {"notebook": str(entry.path), **about}.items():
        if text:
            yield from _wrapped(f"{label}: {text}", "  ")
    if description.purpose:
        yield ""
        yield from textwrap.wrap(description.purpose, _WIDTH)
    for heading, common in (("Parameters", False), ("Parameters of every runbook", True)):
        chosen = [parameter for parameter in description.parameters if parameter.common is common]
        if chosen:
            yield from ("", heading)
        for parameter in chosen:
            yield from _wrapped(_signature(parameter), "  ")
            yield from textwrap.wrap(
                parameter.description, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6
            )
    yield from ("", "Steps" if description.steps else "Steps: none")
    for number, step in enumerate(description.steps, start=1):
        yield from _wrapped(f"{number}. {step.label}{step.title}", "  ")
    yield ""
    yield from _wrapped(
        f"Last run: {last.text}" + (f" ({last.directory.name})" if last.directory else ""), ""
    )


def _signature(parameter: ParameterDescription) -> str:
    limits = "".join(f", {limit}" for limit in parameter.constraints)
    value = "(required)" if parameter.required else f"= {parameter.default!r}"
    return f"{parameter.name}: {parameter.type}{limits} {value}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_on_hyphens=False,
        break_long_words=False,  # a path can be copied
    )
