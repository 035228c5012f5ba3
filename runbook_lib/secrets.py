"""Secrets are references in files and values only in memory.

A reference is `${env:NAME}`, `${file:PATH}` or `${keyring:SERVICE/NAME}`. Values that were resolved
are masked wherever text leaves the process towards a record.
"""

from __future__ import annotations

import base64
import json
import os
import re
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keyring
import keyring.errors

from runbook_lib.errors import SecretError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Secrets"]

_REFERENCE = re.compile(r"^\$\{(?P<source>env|file|keyring):(?P<name>[^}]+)\}$")
_SHORTEST = 4  # a shorter value would mask ordinary words
_SHORTEST_INNER = 6  # the same, for a piece of base64


def _from_environment(name: str) -> str | None:
    return os.environ.get(name)


def _from_file(name: str) -> str | None:
    try:
        return Path(name).expanduser().read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise SecretError(f"cannot read the secret's file: {problem}", where=f"${{file:{name}}}") from problem


def _from_keyring(name: str) -> str | None:
    service, _, user = name.partition("/")
    try:
        return keyring.get_password(service, user)
    except keyring.errors.KeyringError as problem:
        raise SecretError(
            f"the keyring does not answer: {problem}", where=f"${{keyring:{name}}}"
        ) from problem


_SOURCES: dict[str, Callable[[str], str | None]] = {
    "env": _from_environment,
    "file": _from_file,
    "keyring": _from_keyring,
}


class Secrets:
    """Resolve references and mask the values that were resolved."""

    def __init__(self) -> None:
        self._masks: dict[str, str] = {}

    def resolve(self, reference: str) -> str:
        """Return the value behind a reference and mask it from now on.

        Raises:
            SecretError: The reference is malformed, leads nowhere, or is too short to be masked safely.
        """
        match = _REFERENCE.match(reference)
        if not match:
            raise SecretError(
                "is no secret reference",
                where="a secret",
                hint="write ${env:NAME}, ${file:PATH} or ${keyring:SERVICE/NAME}",
            )
        value = _SOURCES[match["source"]](match["name"])
        if not value:
            raise SecretError("has no value", where=reference, hint="set it before the run starts")
        if len(value) < _SHORTEST:
            raise SecretError(f"is shorter than {_SHORTEST} characters and cannot be masked", where=reference)
        self._masks.update(dict.fromkeys(_forms(value), reference))
        return value

    @property
    def known(self) -> bool:
        """Whether any value was resolved."""
        return bool(self._masks)

    def mask_data(self, data: Any) -> Any:  # noqa: ANN401 - JSON
        """Return JSON data with every known value masked in all its strings."""
        if isinstance(data, str):
            return self.mask(data)
        if isinstance(data, dict):
            return {self.mask(key): self.mask_data(value) for key, value in data.items()}
        if isinstance(data, list):
            return [self.mask_data(value) for value in data]
        return data

    def mask(self, text: str) -> str:
        """Return `text` with every known value, in each form it is likely to take, as its reference."""
        for form in sorted(self._masks, key=len, reverse=True):
            text = text.replace(form, self._masks[form])
        return text


def _forms(value: str) -> Iterator[str]:
    """Yield how a value looks as it is, quoted for a shell, in JSON, percent-encoded and in base64."""
    yield value
    yield value.replace("'", "'\"'\"'")
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield urllib.parse.quote(value, safe="")
    yield urllib.parse.quote_plus(value)
    data = value.encode()
    yield base64.b64encode(data).decode()
    yield base64.b64encode(data).decode().rstrip("=")
    for before in range(3):
        # Inside of a longer base64 text, of `user:password` for example, what is before it shifts it.
        encoded = base64.b64encode(b"-" * before + data).decode()
        inner = encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        if len(inner) >= _SHORTEST_INNER:
            yield inner
