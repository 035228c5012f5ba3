"""Text that becomes a file's name or a program's argument."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator

__all__ = ["OneWord", "PlainText"]

_REFUSED = frozenset({"Cc", "Cs"})  # control characters, and halves of characters


def _plain(value: str) -> str:
    if any(unicodedata.category(character) in _REFUSED for character in value):
        raise ValueError(f"must not contain control characters, got {value[:80]!r}")
    return value


def _one_word(value: str) -> str:
    if value and value.split() != [value]:
        raise ValueError(f"must not contain blanks, got {value[:80]!r}")
    return value


PlainText = Annotated[str, AfterValidator(_plain)]
"""Text without control characters: no file's name and no program's argument can contain a NUL, for example."""
OneWord = Annotated[PlainText, AfterValidator(_one_word)]
"""Also without blanks, such as a host's address."""
