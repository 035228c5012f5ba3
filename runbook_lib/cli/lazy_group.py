"""A group of commands, one module each, loaded only when that command is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click

from runbook_lib.errors import InputError
from runbook_lib.known_names import complete_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.shell_completion import CompletionItem

__all__ = ["LazyGroup", "PrefixGroup"]


class PrefixGroup(click.Group):
    """A click group whose commands may be given by a prefix that only one of them has."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of the first word; see `click.Group.resolve_command`."""
        word, *rest = args
        names = self.list_commands(ctx)
        if word not in names and not word.startswith("-"):
            try:
                args = [complete_name(word, names, kind="command"), *rest]
            except InputError as problem:
                if not ctx.resilient_parsing:
                    raise click.UsageError(f"{problem.message}: {problem.hint}", ctx) from problem
        return super().resolve_command(ctx, args)


class LazyGroup(PrefixGroup):
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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin so, without importing any command."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell needs it

        options = click.Command.shell_complete(self, ctx, incomplete)
        names = [name for name in self._summaries if name.startswith(incomplete)]
        return [*(CompletionItem(name, help=self._summaries[name]) for name in names), *options]
