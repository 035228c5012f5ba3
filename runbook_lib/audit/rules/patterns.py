"""An auditor's regular expressions, searched for in time that grows with the text alone.

Evidence may hold text that somebody chose so that Python's `re` needs hours for it. RE2 cannot be made to: it has
neither look-around nor references to groups, which cost that time, and refuses a pattern with one of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_pattern", "search"]

# RE2 takes `{,5}` for five characters, Python for at most five repetitions; a pattern means what it means to Python.
_NO_LEAST = re.compile(r"(?<!\\)((?:\\\\)*)\{,(?=\d+\})")


def check_pattern(pattern: str) -> str:
    """Return the pattern if it is a regular expression for both Python and RE2.

    Raises:
        ValueError: It is not; the message says why.
    """
    try:
        re.compile(pattern)
    except re.error as problem:
        raise ValueError(f"{pattern!r} is not a regular expression: {problem}") from problem
    try:
        search(pattern, [""])
    except pa.ArrowException as problem:
        reason = str(problem).removeprefix("Invalid regular expression: ")
        message = f"{pattern!r} cannot be searched for in bounded time, as RE2 does: {reason}"
        raise ValueError(
            f"{message}; write it without look-around and without references to groups"
        ) from problem
    return pattern


def search(pattern: str, texts: Sequence[str | None]) -> list[bool]:
    r"""Return for each text whether it contains a match; None contains none.

    Args:
        pattern: As `check_pattern` accepts it. `\w`, `\d` and `\b` mean ASCII; `$` also matches before a last
            newline.
        texts: The texts.
    """
    asked = _NO_LEAST.sub(r"\1{0,", pattern)
    given = pa.array(texts, pa.large_string())
    found = pc.match_substring_regex(given, pattern=asked)
    if "$" in pattern:
        shorter = pa.array([text.removesuffix("\n") if text else text for text in texts], pa.large_string())
        found = pc.or_(found, pc.match_substring_regex(shorter, pattern=asked))
    return [bool(matched) for matched in found.to_pylist()]
