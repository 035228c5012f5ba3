"""The journal's hash chain: each line contains the hash of the previous line, and a seal over itself."""

from __future__ import annotations

import hashlib

__all__ = ["FIRST", "chain", "is_sealed", "next_link", "seal"]

FIRST = "0" * 64
"""The first line's value for the hash of the previous line."""
_SEAL = b',"seal":"%s"}'
_SEAL_SIZE = len(_SEAL % FIRST.encode())
_PREVIOUS = b',"previous":"%s"'


def chain(line: bytes) -> str:
    """Return the hash by which the next line refers to `line` (its bytes without the newline)."""
    return hashlib.sha256(line).hexdigest()


def seal(body: bytes) -> bytes:
    """Return a line (a JSON object) with its own hash appended as the last value."""
    return body[:-1] + _SEAL % chain(body).encode()


def is_sealed(line: bytes) -> bool:
    """Return whether a line ends with a valid seal."""
    return seal(line[:-_SEAL_SIZE] + b"}") == line


def next_link(line: bytes, previous: str) -> str | None:
    """Return `chain(line)` if the line is sealed and refers to `previous`, as runs write it; otherwise None.

    A journal is read line by line, so the line is hashed only once: the bytes under its seal and the bytes that
    the next line refers to are the same up to the seal.
    """
    body = line[:-_SEAL_SIZE]
    link = hashlib.sha256(body)
    own = link.copy()
    own.update(b"}")
    written = _SEAL % own.hexdigest().encode()
    if not line.endswith(written) or not body.endswith(_PREVIOUS % previous.encode()):
        return None
    link.update(written)
    return link.hexdigest()
