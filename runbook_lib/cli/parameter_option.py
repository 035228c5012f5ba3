"""The option `-p`: `-p NAME=VALUE` means the same as `-p NAME VALUE`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ParameterCommand", "split_pairs"]

_OPTION = "-p"
_PAIR = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<value>.*)", re.DOTALL)  # no name of a parameter has a `=`


class ParameterCommand(click.Command):
    """A command with an option `-p` of two arguments, which may also be written as one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Split the pairs, then parse; see `click.Command.parse_args`.

        Raises:
            UsageError: The value of a parameter is missing.
        """
        words = [*split_pairs(args)]
        if not ctx.resilient_parsing:
            _refuse_missing_values(
                words, {name for option in self.params for name in option.opts if name[0] == "-"}
            )
        return super().parse_args(ctx, words)


def _refuse_missing_values(words: Sequence[str], options: set[str]) -> None:
    """Refuse a name without a value, where click would take the next option for it."""
    rest = iter(words)
    for word in rest:
        if word == "--":
            return
        if word != _OPTION:
            continue
        name, value = next(rest, None), next(rest, None)
        if name is None or name in options:
            raise click.UsageError("-p names no parameter: write -p NAME=VALUE")
        if value is None or value in options:
            raise click.UsageError(f"-p {name} has no value: write -p {name.partition('=')[0]}=VALUE")


def split_pairs(arguments: Sequence[str]) -> Iterator[str]:
    """Yield a command line's arguments, `-p NAME=VALUE` as `-p NAME VALUE`.

    >>> [*split_pairs(["run", "-p", "port=443", "-p", "text", "a=b"])]
    ['run', '-p', 'port', '443', '-p', 'text', 'a=b']
    """
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            yield argument
            yield from rest
        elif argument == _OPTION:
            yield argument
            name = next(rest, None)
            pair = _PAIR.fullmatch(name) if name is not None else None
            if pair:
                yield from (pair["name"], pair["value"])
            elif name is not None:
                yield name
                yield from ([value] if (value := next(rest, None)) is not None else [])
        elif argument.startswith(_OPTION) and (pair := _PAIR.fullmatch(argument[len(_OPTION) :])):
            yield from (_OPTION, pair["name"], pair["value"])
        else:
            yield argument
