"""A group of commands, one module each, loaded only when that command is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LazyGroup"]


class LazyGroup(click.Group):
    """A click group that lists its commands without importing them.

    Args:
        package: The package of the commands' modules; its module `run` defines `run_command`.
        summaries: Each command's name and its line in the help.
        options: click's own.
    """

    def __init__(self, *, package: str, summaries: Mapping[str, str], **options: Any) -> None:  # noqa: ANN401 - click
        super().__init__(**options)
        self._package = package
        self._summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order given."""
        return list(self._summaries)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import one command."""
        if name not in self._summaries:
            return None
        command: click.Command = getattr(
            importlib.import_module(f"{self._package}.{name}"), f"{name}_command"
        )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """List the commands without importing them: `--help` stays quick."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))
