"""Open sockets inside another network namespace without moving this process there.

`setns` moves a single thread. A short-lived thread enters the namespace and opens a socket; the socket belongs to that
namespace no matter which thread uses it later, so the rest of the process never leaves its own network.
"""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from runbook_lib.extras import named_extras

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["open_socket", "run_in"]

T = TypeVar("T")


def run_in(namespace: str | Path, work: Callable[[], T]) -> T:
    """Call `work` in a thread that has entered a network namespace, and return what it returns.

    Args:
        namespace: A namespace file, such as a bind mount or `/proc/PID/ns/net`.
        work: Called without arguments. Sockets it opens belong to the namespace.

    Raises:
        RequirementError: pyroute2 is not installed.
        OSError: The file is missing or not a namespace, or this user may not enter it; or `work` raised it.
    """
    with named_extras():
        from pyroute2 import netns  # noqa: PLC0415 - slow to import, and few hosts need it

    def enter_and_work() -> T:
        descriptor = os.open(Path(namespace), os.O_RDONLY | os.O_CLOEXEC)
        try:
            netns.setns(descriptor)
        finally:
            os.close(descriptor)
        return work()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="namespace") as threads:
        return threads.submit(enter_and_work).result()


def open_socket(namespace: str, address: str, port: int, timeout: float) -> socket.socket:
    """Connect to a TCP port from inside a network namespace.

    Args:
        namespace: The namespace's file.
        address: IP address; a name would be resolved by this machine's resolver.
        port: TCP port.
        timeout: Seconds to wait for the connection; the socket keeps it as its own timeout.

    Raises:
        OSError: As `socket.create_connection` does, or the namespace cannot be entered.
    """
    return run_in(namespace, lambda: socket.create_connection((address, port), timeout=timeout))
