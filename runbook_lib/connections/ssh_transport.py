"""What a connection's handshake needs, made quick for many hosts: known keys read once, the cheaper cipher first."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import paramiko

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["add_known_keys", "make_transport"]

_SSH_PORT = 22
# They authenticate each packet themselves; with the others paramiko compares a checksum byte by byte, in Python.
_FIRST = ("aes256-gcm@openssh.com", "aes128-gcm@openssh.com")


def make_transport(sock: Any, **options: Any) -> paramiko.Transport:  # noqa: ANN401 - paramiko's
    """Return a transport that asks for AES-GCM first, and else for what paramiko asks for."""
    transport = paramiko.Transport(sock, **options)
    security = transport.get_security_options()
    offered = security.ciphers
    security.ciphers = tuple(sorted(offered, key=lambda cipher: cipher not in _FIRST))
    return transport


def add_known_keys(client: paramiko.SSHClient, file: Path, host: str, port: int) -> None:
    """Let a client know a host's keys from a known_hosts file, which is read once for all hosts.

    Raises:
        OSError: It cannot be read.
        paramiko.hostkeys.InvalidHostKey: A line of it is malformed.
    """
    state = file.stat()
    name = host if port == _SSH_PORT else f"[{host}]:{port}"
    keys: Any = _read(file, state.st_mtime_ns, state.st_size).lookup(name) or {}
    for kind in keys:
        client.get_host_keys().add(name, kind, keys[kind])


@functools.lru_cache(maxsize=16)
def _read(file: Path, _changed: int, _size: int) -> paramiko.HostKeys:
    return paramiko.HostKeys(str(file))
