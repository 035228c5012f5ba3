"""Host keys of a known_hosts file, as sshd(8) describes its format."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import paramiko

from runbook_lib.errors import HostKeyError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["KnownHost", "known_host"]

_SSH_PORT = 22
_REVOKED = b"@revoked"
_FIELDS = 3  # names, type, key
_MARKERS = (b"@cert-authority", _REVOKED)


@dataclass(frozen=True)
class _Line:
    marker: bytes
    names: tuple[bytes, ...]
    key: bytes

    def names_host(self, name: bytes) -> bool:
        """Return whether the line applies to a host: a pattern matches, and no negated one does."""
        matched = False
        for pattern in self.names:
            if pattern.startswith(b"!") and _matches(pattern[1:], name):
                return False
            matched = matched or _matches(pattern, name)
        return matched


@dataclass(frozen=True)
class KnownHost(paramiko.MissingHostKeyPolicy):
    """What a known_hosts file says of one host; as a policy of paramiko's client, it verifies the host's key.

    Args:
        file: The known_hosts file.
        place: The host, for messages.
        keys: Each of them proves the host.
        revoked: None of them does.
        authority: A certificate authority is named for the host.
    """

    file: Path
    place: str
    keys: frozenset[bytes]
    revoked: frozenset[bytes]
    authority: bool

    @property
    def key_types(self) -> frozenset[str]:
        """The types of the known keys, by the names that a key exchange uses."""
        types = {_type(key) for key in self.keys}
        return frozenset(types | ({"rsa-sha2-512", "rsa-sha2-256"} if "ssh-rsa" in types else set()))

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002 - paramiko's signature
        """Return if the key proves the host.

        Raises:
            HostKeyError: The key is unknown, not one of the known ones, or revoked.
        """
        found = key.asbytes()
        shown = f"{key.get_name()} {key.fingerprint}"
        if found in self.revoked:
            raise HostKeyError(
                f"the host key is revoked ({shown})",
                where=self.place,
                hint=f"do not use this host before its key is replaced; it is marked @revoked in {self.file}",
            )
        if found in self.keys:
            return
        if self.keys:
            raise HostKeyError(
                f"the host key has changed ({shown}): this may be another machine",
                where=self.place,
                hint=f"find out why; if the new key is correct, replace the host's line in {self.file}",
            )
        if self.authority:
            raise HostKeyError(
                "host certificates are not supported: known_hosts names only a certificate authority for the host",
                where=self.place,
                hint=f"add the host's key ({shown}), once verified, to {self.file}",
            )
        raise HostKeyError(
            f"the host key is unknown ({shown})",
            where=self.place,
            hint=f"verify its fingerprint with the host's administrator, then add it to {self.file}",
        )


def known_host(files: Sequence[Path], host: str, port: int, place: str) -> KnownHost:
    """Return what known_hosts files say of a host; each file is read once for all hosts.

    Args:
        files: The known_hosts files; as for OpenSSH, not all of them need to exist.
        host: Name or address.
        port: Any but 22 is part of the name.
        place: The host, for messages.

    Raises:
        HostKeyError: A file cannot be read, or none exists.
    """
    lines: list[_Line] = []
    missing: list[OSError] = []
    for file in files:
        try:
            state = file.stat()
            lines += _read(file, state.st_mtime_ns, state.st_size, state.st_ino)
        except FileNotFoundError as problem:
            missing.append(problem)
        except OSError as problem:
            raise _unreadable(problem, place) from problem
    if len(missing) == len(files):
        none = missing[0] if missing else OSError("ssh_config names none")
        raise _unreadable(none, place) from none
    bare = host.lower().encode()
    name = bare if port == _SSH_PORT else f"[{host.lower()}]:{port}".encode()
    own = [line for line in lines if line.names_host(name)]
    if not any(line.key for line in own if not line.marker):
        # As for OpenSSH, a key that is known, or revoked, for the host without its port is so on any port.
        own += [line for line in lines if line.names_host(bare)]
    return KnownHost(
        files[0],
        place,
        keys=frozenset(line.key for line in own if not line.marker),
        revoked=frozenset(line.key for line in own if line.marker == _REVOKED),
        authority=any(line.marker == b"@cert-authority" for line in own),
    )


def _unreadable(problem: OSError, place: str) -> HostKeyError:
    return HostKeyError(
        f"known_hosts cannot be read: {problem}", where=place, hint="set known_hosts in the inventory"
    )


@functools.lru_cache(maxsize=16)
def _read(file: Path, *_state: Any) -> tuple[_Line, ...]:  # noqa: ANN401 - any part of the file's state
    return tuple(line for line in map(_parse, file.read_bytes().splitlines()) if line is not None)


def _parse(text: bytes) -> _Line | None:
    """Return a line's content; None for a comment and, as OpenSSH does, for a line that is malformed."""
    fields = text.split()
    if not fields or fields[0].startswith(b"#"):
        return None
    marker = b""
    if fields[0].startswith(b"@"):
        marker, *fields = fields
        if marker not in _MARKERS:
            return None
    if len(fields) < _FIELDS:
        return None
    try:
        key = base64.b64decode(fields[2], validate=True)
    except binascii.Error:
        return None
    if _type(key).encode() != fields[1]:
        return None
    return _Line(marker, tuple(fields[0].split(b",")), key)


def _type(key: bytes) -> str:
    """Return the type that a key's own first field names; empty if there is none."""
    size = int.from_bytes(key[:4], "big")
    return key[4 : 4 + size].decode("ascii", errors="replace") if 0 < size <= len(key) - 4 else ""


def _matches(pattern: bytes, name: bytes) -> bool:
    if pattern.startswith(b"|1|"):
        salt, _, digest = pattern[3:].partition(b"|")
        try:
            made = hmac.new(base64.b64decode(salt), name, hashlib.sha1).digest()
            return hmac.compare_digest(made, base64.b64decode(digest))
        except binascii.Error:
            return False
    if b"*" not in pattern and b"?" not in pattern:
        return pattern.lower() == name
    wild = re.escape(pattern.lower()).replace(rb"\*", b".*").replace(rb"\?", b".")
    return re.fullmatch(wild, name, re.DOTALL) is not None
