"""The journal's hash chain: each line contains the hash of the previous line, and a seal over itself.

`read_lines` is the only walk along the chain: records, verification and the archive all read a journal with it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import orjson

__all__ = ["FIRST", "JournalEntry", "JournalLines", "chain", "is_sealed", "read_lines", "seal", "sealed_link"]

JournalEntry = dict[str, Any]
"""One line of a journal, parsed."""

FIRST = "0" * 64
"""The first line's value for the hash of the previous line."""
_SEAL = b',"seal":"%s"}'
_SEAL_SIZE = len(_SEAL % FIRST.encode())


def chain(line: bytes) -> str:
    """Return the hash by which the next line refers to `line` (its bytes without the newline)."""
    return hashlib.sha256(line).hexdigest()


def seal(body: bytes) -> bytes:
    """Return a line (a JSON object) with its own hash appended as the last value."""
    return body[:-1] + _SEAL % chain(body).encode()


def is_sealed(line: bytes) -> bool:
    """Return whether a line ends with a valid seal."""
    return seal(line[:-_SEAL_SIZE] + b"}") == line


def sealed_link(line: bytes) -> str | None:
    """Return `chain(line)`; None if the line does not end with a valid seal.

    A journal is read line by line, so the line is hashed only once: the bytes under its seal and the bytes that
    the next line refers to are the same up to the seal.
    """
    link = hashlib.sha256(line[:-_SEAL_SIZE])
    own = link.copy()
    own.update(b"}")
    written = _SEAL % own.hexdigest().encode()
    if not line.endswith(written):
        return None
    link.update(written)
    return link.hexdigest()


@dataclass(frozen=True)
class JournalLines:
    """The valid lines of a journal, and the first thing wrong with it, if any.

    Args:
        entries: The parsed lines, in order, up to the first invalid line.
        problem: What is wrong and at which line; empty if nothing is.
        cut_off: Whether that is only a last line that was not written to its end, as when the process died.
    """

    entries: list[JournalEntry]
    problem: str = ""
    cut_off: bool = False


def read_lines(data: bytes) -> JournalLines:
    """Split a journal's bytes into entries and walk its hash chain.

    A line that is cut off, altered, removed or moved ends the valid part; `problem` names its number. An altered
    line breaks its own seal; an altered line with a new seal breaks the link of the line after it.
    """
    entries: list[JournalEntry] = []
    previous = FIRST
    for number, whole in enumerate(BytesIO(data), start=1):
        line = whole[:-1]
        if whole[-1:] != b"\n":
            return JournalLines(entries, f"line {number} is cut off", cut_off=True)
        try:
            entry = _parse(line)
        except (ValueError, RecursionError):  # also: a number too long, or nested too deeply
            return JournalLines(entries, f"line {number} is not JSON")
        if not isinstance(entry, dict) or entry.get("n") != number or entry.get("previous") != previous:
            return JournalLines(entries, f"line {number} does not follow from the line before it")
        link = sealed_link(line)
        if link is None:
            # Journals from before seals were introduced have none, from their first line on.
            if any("seal" in some for some in (entry, *entries[:1])):
                return JournalLines(entries, f"line {number} was altered: its seal is broken")
            link = chain(line)
        entries.append(entry)
        previous = link
    return JournalLines(entries)


def _parse(line: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return json.loads(line)  # reads what Python writes and JSON does not define, such as NaN
