"""A group of commands, one module each, loaded only when that command is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Verbs"]


class Verbs(click.Group):
    """A click group whose help needs none of its commands.

    Args:
        package: Where the modules lie; module `run` holds `run_command`.
        verbs: Each command's name and its line in the help.
        options: click's own.
    """

    def __init__(self, *, package: str, verbs: Mapping[str, str], **options: Any) -> None:  # noqa: ANN401 - click
        super().__init__(**options)
        self._package = package
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order given."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Load one command."""
        if name not in self._verbs:
            return None
        command: click.Command = getattr(
            importlib.import_module(f"{self._package}.{name}"), f"{name}_command"
        )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """List the commands without loading them: `--help` stays quick."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._verbs.items()))
