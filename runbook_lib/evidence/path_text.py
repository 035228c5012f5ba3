r"""File names as text. A name is any bytes; one that is not UTF-8 can be in no table, JSON document or message.

Such a name is written with `\xNN` for each of those bytes, and so are control characters, which would break a table. So
that no two names give the same text, a backslash becomes `\x5c` in a name with such bytes, or with something that looks
like them; all other names stay as they are.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

__all__ = ["is_loop", "path_from_text", "path_text"]

_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
_UNUSUAL = re.compile(r"\\x[0-9a-f]{2}|[\x00-\x1f\x7f\ud800-\udfff]")
_BYTES = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff]")


def is_loop(link: str) -> bool:
    """Return whether a symbolic link leads to itself, directly or through others."""
    try:
        Path(link).stat()
    except OSError as problem:
        return problem.errno == errno.ELOOP
    return False


def path_text(path: str) -> str:
    r"""Return a path as text that can be encoded in UTF-8.

    Args:
        path: As `os` functions return it: a byte that is not UTF-8 is half a surrogate pair.

    >>> path_text(os.fsdecode(b"latin\xe9.ipynb"))
    'latin\\xe9.ipynb'
    """
    if not _UNUSUAL.search(path):
        return path
    return "/".join(map(_name_text, path.split("/")))


def path_from_text(text: str) -> str:
    """Return the path that `path_text` made a text of, for `os` functions."""
    pieces = _ESCAPED.split(text)  # text, code, text, code, …
    data = [bytes.fromhex(piece) if number % 2 else os.fsencode(piece) for number, piece in enumerate(pieces)]
    return os.fsdecode(b"".join(data)) if len(pieces) > 1 else text


def _name_text(name: str) -> str:
    if not _UNUSUAL.search(name):
        return name
    return _BYTES.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in _raw(found[0])), name)


def _raw(character: str) -> bytes:
    try:
        return os.fsencode(character)
    except UnicodeEncodeError:  # half a character that stands for no byte: no file system returns it
        return character.encode("utf-8", "surrogatepass")
