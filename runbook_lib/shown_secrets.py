"""A secret that a host shows during a run, such as a join token: which output is one, and how the run refers to it.

The command that shows it says so by `secret_output` (`model/commands.py`). The recorder has it masked as
`${shown:NAME}` before anything of the output is recorded; later steps of the same run get it by that reference.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from runbook_lib.errors import SecretError
from runbook_lib.model.commands import Command

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from runbook_lib.model.commands import DockerQuery, NetworkQuery, Output

__all__ = ["ShownSecret", "is_shown", "new_reference", "secret_in", "shown_value"]

_SHOWN = "${shown:"


class ShownSecret(NamedTuple):
    """What a host has shown.

    Args:
        value: The secret.
        name: What it is, as `join token`.
    """

    value: str
    name: str


def secret_in(request: Command | DockerQuery | NetworkQuery, output: Output) -> ShownSecret | None:
    """Return the secret that a request's output is, without blanks and newlines around it; None if it is not one."""
    if isinstance(request, Command) and request.secret_output:
        return ShownSecret(output.stdout.strip(), request.secret_output)
    return None


def is_shown(reference: str) -> bool:
    """Return whether a reference is to a secret that a host shows."""
    return reference.startswith(_SHOWN)


def new_reference(name: str, taken: Collection[str]) -> str:
    """Return the reference to a secret of a name; a later value of the same name gets a number.

    >>> new_reference("join token", ["${shown:join token}"])
    '${shown:join token 2}'
    """
    reference = f"{_SHOWN}{name}}}"
    numbers = itertools.count(2)
    while reference in taken:
        reference = f"{_SHOWN}{name} {next(numbers)}}}"
    return reference


def shown_value(reference: str, references: Mapping[str, str]) -> str:
    """Return the secret that a reference stands for.

    Args:
        reference: One that `is_shown`.
        references: The references of the run, by value.

    Raises:
        SecretError: No host has shown it in this run.
    """
    for value, known in references.items():
        if known == reference:
            return value
    raise SecretError(
        "no host has shown this secret in this run",
        where=reference,
        hint="read it with a fact first, in the same run",
    )
