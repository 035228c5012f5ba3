"""The protocol between a provisioner and the fork server: one JSON object per packet, on a Unix socket.

A connection represents one kernel, and is open as long as the kernel is running::

    -> {"argv": [...], "cwd": "...", "environment": {...}}   with two descriptors: standard output and standard error
    <- {"pid": 4711}    or    {"refused": "why"}, after which a cold kernel is started
    <- {"exit": 0}      once it exited; negative: killed by that signal

A connection may also say which kinds of connection to hosts the kernels are going to need, and is then closed::

    -> {"connections": ["ssh"]}

The server kills a kernel whose owner closes the connection or dies.
"""

from __future__ import annotations

import json
import socket
from typing import Any

__all__ = ["LIMIT", "SERVER", "connect", "listen", "pack", "unpack"]

SERVER = "RUNBOOK_KERNEL_SERVER"
"""Environment variable with the path of the fork server's socket; child processes of `runbook run` inherit it."""
LIMIT = 1 << 20
"""Bytes of the largest packet."""


def listen(path: str) -> socket.socket:
    """Return a listening socket, on which connections queue from now on."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        server.bind(path)
        server.listen(128)
    except OSError:
        server.close()
        raise
    return server


def connect(path: str) -> socket.socket:
    """Connect to a fork server.

    Raises:
        OSError: No server listens there.
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
    """Return a packet's content; empty if the other side has closed the connection."""
    content: dict[str, Any] = json.loads(packet) if packet else {}
    return content
