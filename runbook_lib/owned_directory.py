"""Temporary directories that are removed by the next process of their kind if their own was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["OwnedDirectory"]

_LOCK = "lock"  # its owner holds it
_NEW_LOCK = "lock.new"  # until it is held


class OwnedDirectory(tempfile.TemporaryDirectory[str]):
    """A temporary directory that is known to be in use: this process holds the lock of a file in it.

    A process killed with SIGKILL removes nothing, but its lock is gone with it: the next directory of the same prefix
    removes what it left.

    Args:
        prefix: Begins the directory's name.
        place: The directory in which it is created; without it TMPDIR.

    Raises:
        OSError: No directory can be created there.
    """

    _lock = -1

    def __init__(self, prefix: str, place: str | None = None) -> None:
        _remove_left_behind(Path(place or tempfile.gettempdir()), prefix)
        super().__init__(prefix=prefix, dir=place, ignore_cleanup_errors=True)
        with contextlib.suppress(OSError):  # without a lock nobody removes it
            self._lock = os.open(f"{self.name}/{_NEW_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Path(self.name, _NEW_LOCK).rename(Path(self.name, _LOCK))

    def cleanup(self) -> None:
        """Remove it."""
        super().cleanup()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _remove_left_behind(place: Path, prefix: str) -> None:
    """Remove the directories of this user whose process has ended without removing them."""
    with contextlib.suppress(OSError):
        for directory in place.glob(f"{prefix}*"):
            with contextlib.suppress(OSError):
                _remove_unless_used(directory)


def _remove_unless_used(directory: Path) -> None:
    """Remove a directory if nobody holds its lock.

    Raises:
        OSError: It is in use, of another user, not such a directory, or already removed.
    """
    if directory.lstat().st_uid != os.geteuid():
        return
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory)
    finally:
        os.close(lock)
