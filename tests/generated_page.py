"""A page of docs/ whose second part is generated."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["page_of"]


def page_of(document: Path, mark: str, generated: Iterable[str]) -> str:
    """Return the page: the part that people wrote, then the generated lines.

    Args:
        document: The page as it is.
        mark: The line that separates the two parts.
        generated: The lines after it.
    """
    written = document.read_text(encoding="utf-8").partition(mark)[0]
    return "\n".join([written.rstrip("\n"), "", mark, "", *generated, ""])
