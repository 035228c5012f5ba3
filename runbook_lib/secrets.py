"""Secrets: files hold only references, values exist only in memory.

A reference is `${env:NAME}`, `${file:PATH}` or `${keyring:SERVICE/NAME}`. A relative path is looked for in the current
directory and in those above it: it means the same in JupyterLab and headless. Resolved values are masked
in all text that is written to a record. A secret that a host has shown during the run, such as a token, has a
reference too: `shown_secrets.py`.
"""

from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel

from runbook_lib.errors import SecretError
from runbook_lib.extras import named_extras
from runbook_lib.masking import Mask, Masker, NeverShown
from runbook_lib.project import find_upwards
from runbook_lib.shown_secrets import is_shown, new_reference, shown_value

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "SIGNING_KEY",
    "SIGNING_PASSPHRASE",
    "Reference",
    "Secrets",
    "has_reference",
    "is_reference",
    "signing_variables",
]

SIGNING_KEY = "RUNBOOK_SIGNING_KEY"
"""Environment variable with the reference to the key that seals runs, or the key's file."""
SIGNING_PASSPHRASE = "RUNBOOK_SIGNING_PASSPHRASE"  # noqa: S105 - a variable's name
"""Environment variable with the reference to that key's passphrase."""


_REFERENCE = re.compile(r"^\$\{(?P<source>env|file|keyring):(?P<name>[^}]+)\}$")
_ANY_REFERENCE = re.compile(r"\$\{(env|file|keyring|shown):[^}]+\}")
_SHORTEST = 4  # a shorter value would mask ordinary words


def _from_environment(name: str) -> str | None:
    return os.environ.get(name)


def _from_file(name: str) -> str | None:
    try:
        return find_upwards(name).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise SecretError(f"cannot read the secret file: {problem}", where=f"${{file:{name}}}") from problem


def _from_keyring(name: str) -> str | None:
    with named_extras():
        import keyring  # noqa: PLC0415 - slow to import, and few runs use it
        import keyring.errors  # noqa: PLC0415 - as above

    service, _, user = name.partition("/")
    try:
        return keyring.get_password(service, user)
    except keyring.errors.KeyringError as problem:
        raise SecretError(f"cannot read the keyring: {problem}", where=f"${{keyring:{name}}}") from problem


_SOURCES: dict[str, Callable[[str], str | None]] = {
    "env": _from_environment,
    "file": _from_file,
    "keyring": _from_keyring,
}


def _only_a_reference(value: str) -> str:
    if not _REFERENCE.match(value):
        raise ValueError("must be a reference such as ${env:NAME}, never the secret itself")
    return value


_IS_REFERENCE = AfterValidator(_only_a_reference)
Reference = Annotated[str, _IS_REFERENCE, NeverShown()]
"""A parameter that refers to a secret; `Runbook.secret` returns its value."""


def is_reference(value: object) -> bool:
    """Return whether a value is a secret reference."""
    return isinstance(value, str) and _REFERENCE.match(value) is not None


def has_reference(text: str) -> bool:
    """Return whether a text has a reference somewhere in it, as one from which secrets were masked."""
    return _ANY_REFERENCE.search(text) is not None


class Secrets:
    """Resolve references, and mask the resolved values.

    Args:
        on_first: Called once there is a value to mask, before it is used.
    """

    def __init__(self, on_first: Callable[[Secrets], None] | None = None) -> None:
        self._references: dict[str, str] = {}
        self._mask = Mask({})
        self._on_first = on_first
        self._new: list[str] = []
        self._lock = threading.Lock()  # several hosts may show secrets at the same time

    def resolve(self, reference: str) -> str:
        """Return the value of a reference, and mask it from now on.

        Raises:
            SecretError: The reference is malformed, has no value, or its value is too short to be masked safely.
        """
        if is_shown(reference):
            return shown_value(reference, self._references)
        match = _REFERENCE.match(reference)
        if not match:
            raise SecretError(
                "not a valid secret reference",
                where="secret",
                hint="write ${env:NAME}, ${file:PATH} or ${keyring:SERVICE/NAME}",
            )
        value = _SOURCES[match["source"]](match["name"])
        if not value:
            raise SecretError(
                "the secret has no value", where=reference, hint="set it before starting the run"
            )
        try:
            value.encode()
        except UnicodeEncodeError:
            raise SecretError("the value is not UTF-8 text", where=reference) from None  # the cause shows it
        if len(value) < _SHORTEST:
            raise SecretError(
                f"the value has fewer than {_SHORTEST} characters and cannot be masked safely",
                where=reference,
            )
        self._mask_as(value, lambda: reference)
        return value

    def protect(self, value: str, name: str) -> str:
        """Mask a secret that a host has just shown, and return the reference by which `resolve` finds it.

        Args:
            value: The secret; without one, or with one too short to be masked, nothing is masked.
            name: What it is, as `join token`. A later value of the same name gets a number.
        """
        if len(value) < _SHORTEST:
            return ""
        return self._mask_as(value, lambda: new_reference(name, set(self._references.values())))

    def _mask_as(self, value: str, make_reference: Callable[[], str]) -> str:
        """Mask a value from now on, unless it is masked already; return its reference."""
        with self._lock:
            known = self._references.get(value)
            if known is not None:
                return known
            first = not self._references
            reference = self._references[value] = make_reference()
            self._mask = Mask(self._references)
            self._new.append(reference)
            if first and self._on_first:
                self._on_first(self)
            return reference

    def take_new(self) -> list[str]:
        """Return the references whose values became known since the last call."""
        with self._lock:
            new, self._new = self._new, []
            return new

    def mask_of(self, reference: str) -> Mask:
        """Return a mask of the one value that a reference stands for; of none if its value is not known."""
        with self._lock:
            return Mask({value: name for value, name in self._references.items() if name == reference})

    @property
    def references(self) -> list[str]:
        """The references whose values are known."""
        with self._lock:
            return list(self._references.values())

    def resolve_all(self, model: BaseModel) -> None:
        """Resolve every `Reference` field of a model, so that its value is masked before it is first used.

        Raises:
            SecretError: As `resolve`.
        """
        for name, field in type(model).model_fields.items():
            if _IS_REFERENCE in field.metadata:
                self.resolve(getattr(model, name))

    @property
    def known(self) -> bool:
        """Whether any value was resolved."""
        return bool(self._references)

    def mask_data(self, data: Any) -> Any:  # noqa: ANN401 - JSON
        """Return JSON data with every known value masked in all its strings, and in numbers that show one."""
        if not self._references:
            return data
        if isinstance(data, str):
            return self.mask(data)
        if isinstance(data, dict):
            return {self.mask(key): self.mask_data(value) for key, value in data.items()}
        if isinstance(data, list):
            return [self.mask_data(value) for value in data]
        if isinstance(data, int | float) and not isinstance(data, bool):
            masked = self.mask(str(data))
            return data if masked == str(data) else masked
        return data

    def mask(self, text: str) -> str:
        """Return `text` with every known value, in every likely encoding, replaced by its reference."""
        return self._mask(text)

    def mask_cut_off(self, text: str) -> str:
        """Return `text` as `mask` does, also without the beginning of a value at its end, where it was cut off."""
        return self._mask.cut_off(text)

    def masker(self) -> Masker:
        """Return a masker for text that arrives in pieces; it also masks what becomes known while it is used."""
        return Masker(lambda: self._mask)


def signing_variables() -> set[str]:
    """Return the environment variables that hold the signing key, its passphrase, or references to them.

    The process that seals a run has them; a kernel does not need them, and what it runs could print them.
    """
    names = {SIGNING_KEY, SIGNING_PASSPHRASE}
    values = [os.environ.get(name, "") for name in names]
    return names | {value[len("${env:") : -1] for value in values if value.startswith("${env:")}
