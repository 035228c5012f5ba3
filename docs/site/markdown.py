"""Pieces of Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["code", "table"]

_CODE = re.compile(r"(`+[^`]*`+)")
_MARKUP = re.compile(r"[*<>\[\]_$]")


def code(text: str) -> str:
    """Return a text as code; it may contain backticks."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table.

    Args:
        header: The columns' names.
        rows: Cells in Markdown, with code in backticks; other markup is taken as plain text.
    """
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(_cell(text) for text in row)} |"


def _cell(text: str) -> str:
    """Return one line in which only code is marked up."""
    pieces = _CODE.split(" ".join(text.split()))
    plain = (piece if number % 2 else _MARKUP.sub(r"\\\g<0>", piece) for number, piece in enumerate(pieces))
    return "".join(plain).replace("|", r"\|")
