"""Break a line between words; one that is too long, such as a path, stays whole: it can be copied."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["wrapped"]

_WORD = re.compile(r"(?:`[^`\n]{1,60}`|\S)+\s*")  # a short command between backticks is one word


def wrapped(text: Text, width: int) -> list[Text]:
    """Return a line in parts of at most `width` columns, or of one longer word; lines of the text stay lines.

    >>> from rich.text import Text
    >>> [part.plain for part in wrapped(Text("one two /a/long/path"), 8)]
    ['one two', '/a/long/path']
    """
    return [part for line in text.split("\n", allow_blank=True) for part in _parts(line, width)]


def _parts(line: Text, width: int) -> list[Text]:
    plain, start, breaks = line.plain, 0, []
    for word in _WORD.finditer(plain):
        if word.start() > start and cell_len(plain[start : word.end()].rstrip()) > width:
            start = word.start()
            breaks.append(start)
    parts = [*line.divide(breaks)]
    for part in parts:
        part.rstrip()
    return parts
