"""Advisory locks between processes of one machine: flock(2) on an open file."""

from __future__ import annotations

import fcntl
from typing import IO, Any

__all__ = ["acquire"]


def acquire(file: int | IO[Any], *, shared: bool = False, wait: bool = True) -> bool:
    """Lock an open file. Closing the file releases the lock, and so does the end of the process.

    A child process that inherits the open file keeps the lock until it closes the file, or executes a program if the
    file is close-on-exec, which is Python's default.

    Args:
        file: An open file, or its descriptor.
        shared: Whether other processes may hold a shared lock too; otherwise nobody may hold one.
        wait: Whether to wait while another process holds a lock that excludes this one.

    Returns:
        Whether the file is locked now; always true if `wait`.

    Raises:
        OSError: The file system does not support locks.
    """
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
