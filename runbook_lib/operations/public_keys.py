"""Public SSH keys, and the lines of authorized_keys that hold them (sshd(8), AUTHORIZED_KEYS FILE FORMAT)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

__all__ = ["PublicKey", "is_kind", "parse_line"]

_KIND = re.compile(r"(sk-)?(ssh|ecdsa)-[A-Za-z0-9@.-]+")
_BLANKS = re.compile(r"[ \t]+")
_OPTIONS = re.compile(r'(?:[^ \t"]|"(?:\\.|[^"\\])*")+')


@dataclass(frozen=True)
class PublicKey:
    """A public key as a line of authorized_keys has it.

    Args:
        kind: As `ssh-ed25519`.
        blob: The key itself, in base64.
        comment: The rest of the line, often user and machine.
        options: What restricts the key, such as `from="192.0.2.0/24"`; empty: nothing.
    """

    kind: str
    blob: str
    comment: str = ""
    options: str = ""

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint, as `ssh-keygen -l` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    @property
    def label(self) -> str:
        """Fingerprint and comment, for messages."""
        return f"{self.fingerprint} ({self.comment})" if self.comment else self.fingerprint

    @property
    def line(self) -> str:
        """The line of authorized_keys, without its line feed."""
        return " ".join(filter(None, (self.options, self.kind, self.blob, self.comment)))


def is_kind(word: str) -> bool:
    """Return whether a word is the kind of a public key, as `ssh-ed25519`."""
    return _KIND.fullmatch(word) is not None


def parse_line(line: str) -> PublicKey | None:
    """Return the key on a line; None for a comment or a blank line.

    Raises:
        ValueError: The line holds something else.
    """
    rest = line.strip(" \t\r\n")
    if not rest or rest.startswith("#"):
        return None
    options = ""
    if not _KIND.fullmatch(_BLANKS.split(rest, 1)[0]):
        found = _OPTIONS.match(rest)
        if not found or not rest[found.end() :].strip():
            raise ValueError("there is no key on it")
        options, rest = found[0], rest[found.end() :].lstrip(" \t")
    # sshd separates the words by blanks and tabs, and by nothing else.
    kind, blob, comment = (*_BLANKS.split(rest, 2), "", "")[:3]
    try:
        data = base64.b64decode(blob, validate=True)
    except binascii.Error as problem:
        raise ValueError(f"its key is not base64: {problem}") from problem
    named = kind.encode()
    if not _KIND.fullmatch(kind) or data[: 4 + len(named)] != len(named).to_bytes(4, "big") + named:
        raise ValueError("there is no key on it")
    return PublicKey(kind, blob, comment.strip(), options)
