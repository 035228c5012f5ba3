"""What a provisioner and the fork server say to each other: one JSON object a packet, on a Unix socket.

A connection stands for one kernel and lives as long as it does::

    -> {"argv": [...], "cwd": "...", "environment": {...}}   with two descriptors: standard output and error
    <- {"pid": 4711}    or    {"refused": "why"}, after which a cold kernel is started
    <- {"exit": 0}      at its end; negative: ended by that signal

Whoever asked for a kernel ends it by closing the connection, and so does its own death.
"""

from __future__ import annotations

import json
import socket
from typing import Any

__all__ = ["LIMIT", "SERVER", "connect", "listen", "pack", "unpack"]

SERVER = "RUNBOOK_KERNEL_SERVER"
"""Environment variable that holds the fork server's socket; processes below `runbook run` inherit it."""
LIMIT = 1 << 20
"""Bytes of the largest packet."""


def listen(path: str) -> socket.socket:
    """Return a socket on which connections wait from now on, before anything is loaded."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(path)
    server.listen(128)
    return server


def connect(path: str) -> socket.socket:
    """Connect to a fork server.

    Raises:
        OSError: There is none.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def pack(**values: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Return a packet."""
    return json.dumps(values).encode()


def unpack(packet: bytes) -> dict[str, Any]:
    """Return what a packet says; nothing where the other side has closed the connection."""
    told: dict[str, Any] = json.loads(packet) if packet else {}
    return told
