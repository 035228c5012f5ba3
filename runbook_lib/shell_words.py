r"""Arguments as words of a POSIX shell, also those that are not UTF-8: the text is readable, and exactly what is sent.

Python has a byte that is not UTF-8, as in a file name, as half a surrogate pair. The shell gets it as an octal escape.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["escaped_for_printf", "join_words", "why_not_sendable", "why_not_text"]

_PLAIN = frozenset(
    b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -_./:=,+@$"(){}[]|;&<>*?~#'
)
_ESCAPES = {byte: f"\\{byte:03o}" for byte in range(256) if byte not in _PLAIN}
_BYTES = re.compile("[\udc80-\udcff]")  # as os.fsdecode returns them
_NO_BYTES = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def escaped_for_printf(text: str) -> str:
    r"""Return a format for printf(1) that prints a text.

    What has a special meaning to any login shell, even inside single quotes, is an octal escape.
    """
    return text.encode(errors="surrogateescape").decode("latin-1").translate(_ESCAPES)


def join_words(words: Iterable[str]) -> str:
    r"""Return words quoted for a POSIX shell, in UTF-8.

    >>> join_words(["cat", "it's", "caf\udce9.txt"])
    'cat \'it\'"\'"\'s\' "$(printf \'caf\\351.txt\')"'
    """
    return " ".join(map(_quote, words))


def _quote(word: str) -> str:
    if not _BYTES.search(word):
        return shlex.quote(word)
    kept = word.rstrip("\n")  # $(...) drops newlines at the end
    newlines = word[len(kept) :]
    return f"\"$(printf '{escaped_for_printf(kept)}')\"" + (shlex.quote(newlines) if newlines else "")


def why_not_sendable(text: str) -> str:
    """Return why a text cannot be an argument of a program; empty if it can."""
    if "\0" in text:
        return "has a NUL character, at which an argument ends"
    return _why_half(text)


def why_not_text(text: str) -> str:
    """Return why a text cannot be sent as UTF-8; empty if it can."""
    half = _BYTES.search(text)
    return f"has the byte {ord(half[0]) - 0xDC00:#04x}, which is not UTF-8" if half else _why_half(text)


def _why_half(text: str) -> str:
    half = _NO_BYTES.search(text)
    return f"has U+{ord(half[0]):04X}, half a character that stands for no byte" if half else ""
