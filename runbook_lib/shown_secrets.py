"""A secret that a host shows during a run, such as a join token: which output is one, and how the run refers to it.

The command that shows it says so by `secret_output`, or by `secret_values` if it prints settings that may have some
(`model/commands.py`). The recorder has it masked as `${shown:NAME}` before anything of the output is recorded; later
steps of the same run get it by that reference.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, NamedTuple

from runbook_lib.errors import SecretError
from runbook_lib.model.commands import Command

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from runbook_lib.model.commands import DockerQuery, NetworkQuery, Output

__all__ = ["ShownSecret", "is_shown", "new_reference", "secrets_in", "shown_value"]

_SHOWN = "${shown:"
# `tlskey` and `keyfile` are paths. A name of any length would let a host's text take hours.
_NAME = r"[\w.-]{0,60}(?:passw|passphrase|token|secret|credential|(?<!tls)(?<!tls-)key(?!file))[\w.-]{0,60}"
_IN_JSON = re.compile(rf'"{_NAME}"\s*:\s*("(?:[^"\\]|\\.)+")', re.IGNORECASE)
_IN_ARGUMENTS = re.compile(rf"(?<![\w.-]){_NAME}=([^\s\"']+)", re.IGNORECASE)
# Of ifupdown: the rest of the line (wpasupplicant's and wireless-tools' README.Debian).
_IN_STANZAS = re.compile(
    r"""^[ \t]*(?:wpa-(?:psk|passphrase|password|pin|wep-key\d|private-key-passwd2?)|wireless-key\d?)"""
    r"""[ \t]+["']?(\S(?:[^\n]*[^\s"'])?)""",
    re.IGNORECASE | re.MULTILINE,
)
_IN_URLS = re.compile(r"""://[^/\s"'@:]*:([^/\s"'@]+)@""")


class ShownSecret(NamedTuple):
    """What a host has shown.

    Args:
        value: The secret.
        name: What it is, as `join token`.
    """

    value: str
    name: str


def secrets_in(request: Command | DockerQuery | NetworkQuery, output: Output) -> list[ShownSecret]:
    """Return the secret that a request's output is, without blanks around it, or those among settings that it shows."""
    if not isinstance(request, Command) or not request.shows_secret:
        return []
    if request.secret_output:
        return [ShownSecret(output.stdout.strip(), request.secret_output)]
    return [ShownSecret(value, request.secret_values) for value in _values(output.stdout + output.stderr)]


def _values(settings: str) -> Iterator[str]:
    """Yield the secret values of a text with settings: JSON, a command line, or ifupdown's stanzas."""
    for found in _IN_JSON.finditer(settings):
        written = found[1][1:-1]
        yield written  # there are several ways to write a character
        try:
            value = json.loads(found[1])
            value.encode()
        except ValueError:  # malformed, or half of a surrogate pair
            continue
        if value != written:
            yield value
    for pattern in (_IN_ARGUMENTS, _IN_STANZAS, _IN_URLS):
        yield from (found[1] for found in pattern.finditer(settings))


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
