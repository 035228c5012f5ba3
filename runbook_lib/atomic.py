"""Replace files atomically: readers see either the old content or all of the new content, never a mixture."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PartialFile", "replace_file", "replace_file_by_pieces", "sync_directory", "write_fully"]


class PartialFile:
    """A file that gets its name only when it is complete.

    Args:
        directory: Where it will be; it must exist.
        prefix: Beginning of its temporary name, which ends in `.part`.
        mode: Its permissions, from the first byte.

    Raises:
        OSError: The directory is not writable.
    """

    def __init__(self, directory: Path, prefix: str = ".", mode: int = 0o600) -> None:
        self._file, name = tempfile.mkstemp(dir=directory, prefix=prefix, suffix=".part")
        self._path = Path(name)
        if mode != 0o600:  # noqa: PLR2004 - mkstemp's
            os.fchmod(self._file, mode)

    def write(self, piece: bytes) -> None:
        """Write the next bytes.

        Raises:
            OSError: They cannot be written; call `discard`.
        """
        write_fully(self._file, piece)

    def commit(self, path: Path, *, durable: bool = False) -> None:
        """Close the file and give it its name, in place of an earlier file of that name.

        Args:
            path: Its final path, in the same directory.
            durable: Sync the file and its directory to disk before returning.

        Raises:
            OSError: That is not possible; call `discard`.
        """
        if durable:
            os.fsync(self._file)
        self._close()
        self._path.replace(path)
        if durable:
            sync_directory(path.parent)

    def discard(self) -> None:
        """Remove the file, unless it has its name."""
        with contextlib.suppress(OSError):
            self._close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _close(self) -> None:
        file, self._file = self._file, -1
        if file != -1:
            os.close(file)


def replace_file(path: Path, data: bytes, *, durable: bool = False, mode: int = 0o600) -> None:
    """Write a file atomically.

    Args:
        path: The file; its directory must exist.
        data: The whole content.
        durable: Sync the file and its directory to disk before returning.
        mode: Its permissions.

    Raises:
        OSError: The file cannot be written; the old content stays.
    """
    replace_file_by_pieces(path, (data,), durable=durable, mode=mode)


def replace_file_by_pieces(
    path: Path, pieces: Iterable[bytes], *, durable: bool = False, mode: int = 0o600
) -> None:
    """Write a file atomically that need not be in memory as a whole; see `replace_file`.

    Args:
        path: The file; its directory must exist.
        pieces: Its content; if making it raises, the old content stays.
        durable: Sync the file and its directory to disk before returning.
        mode: Its permissions.

    Raises:
        OSError: The file cannot be written; the old content stays.
    """
    part = PartialFile(path.parent, f".{path.name}.", mode)
    try:
        for piece in pieces:
            part.write(piece)
        part.commit(path, durable=durable)
    finally:
        part.discard()


def write_fully(file: int, data: bytes) -> None:
    """Write all of `data` to a file descriptor; a single `write` may be partial.

    Raises:
        OSError: It cannot be written, or only a part of it.
    """
    while data:
        data = data[os.write(file, data) :]


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
