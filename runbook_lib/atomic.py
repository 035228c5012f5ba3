"""Files replaced as a whole: readers find what was there before, or all of the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["replace_file", "sync_directory"]


def replace_file(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Put a file in place in one step, for its owner alone from the first byte.

    Args:
        path: The file; its directory is there.
        data: All of it.
        durable: It is on disk when this returns.

    Raises:
        OSError: It cannot be written; what was there before stays.
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
    """Have a directory's entries on disk when this returns.

    Raises:
        OSError: It cannot be opened, or the disk failed.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
