"""Replace files atomically: readers see either the old content or all of the new content, never a mixture."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["replace_file", "sync_directory"]


def replace_file(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write a file atomically, with mode 0600.

    Args:
        path: The file; its directory must exist.
        data: The whole content.
        durable: Sync the file and its directory to disk before returning.

    Raises:
        OSError: The file cannot be written; the old content stays.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(handle)
        part.replace(path)
        if durable:
            sync_directory(path.parent)
    finally:
        part.unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Sync a directory's entries to disk, so that a created or renamed file survives a crash.

    Raises:
        OSError: The directory cannot be opened, or the disk failed.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
