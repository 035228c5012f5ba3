"""TCP ports of this machine that nobody else is given."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["reserved_port"]


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """Yield a TCP port that the system gives to no other program during the block.

    A port that was merely free when it was looked up may have another server a moment later, and a client then meets
    the wrong one. This one stays bound; a server that sets SO_REUSEADDR (sshd, asyncio) can still listen on it, and as
    long as none does, connections are refused.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("", 0))
        port: int = holder.getsockname()[1]
        yield port
