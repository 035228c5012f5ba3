"""The journal's hash chain: how a line refers to the one before, and how a line seals itself."""

from __future__ import annotations

import hashlib

__all__ = ["FIRST", "chain", "is_sealed", "seal"]

FIRST = "0" * 64
"""What the first line carries in place of a line before it."""
_SEAL = b',"seal":"%s"}'


def chain(line: bytes) -> str:
    """Return the hash by which the next line refers to `line` (its bytes without the newline)."""
    return hashlib.sha256(line).hexdigest()


def seal(body: bytes) -> bytes:
    """Return a line, a JSON object, with its own hash as one more value at its end."""
    return body[:-1] + _SEAL % chain(body).encode()


def is_sealed(line: bytes) -> bool:
    """Return whether a line ends with the seal of what comes before it."""
    return seal(line[: -len(_SEAL % FIRST.encode())] + b"}") == line
