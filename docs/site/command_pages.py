"""The page of every command of `runbook`, from the parser itself."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

from docs.site.markdown import table
from runbook_lib.cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["commands_page"]


def commands_page() -> str:
    """Return the page: usage, description, arguments and options of each verb."""
    lines = [
        "# Commands",
        "",
        "Generated from the parser, so this is what `runbook VERB --help` says. What the exit codes mean:",
        "[exit codes](../docs/exit-codes.md).",
        "",
        *_command(cli, click.Context(cli, info_name="runbook", **cli.context_settings), depth=2),
    ]
    return "\n".join(lines) + "\n"


def _command(command: click.Command, context: click.Context, *, depth: int) -> Iterator[str]:
    yield from (f"{'#' * depth} `{context.command_path}`", "")
    yield from ("```text", context.get_usage().removeprefix("Usage: "), "```", "")
    if command.help:
        yield from (inspect.cleandoc(command.help).replace("\b\n", "").replace("\f", ""), "")
    yield from _parameters(command, context)
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        if below is not None:
            inner = click.Context(below, parent=context, info_name=name)
            yield from _command(below, inner, depth=min(depth + 1, 4))


def _parameters(command: click.Command, context: click.Context) -> Iterator[str]:
    rows = [
        record
        for parameter in command.get_params(context)
        if (record := parameter.get_help_record(context)) is not None
    ]
    if rows:
        yield from table(("option", "meaning"), ((f"`{option}`", meaning) for option, meaning in rows))
        yield ""
