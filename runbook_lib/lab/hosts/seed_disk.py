"""A VM's second disk: a tar archive of the files that make it this host; it unpacks them at its first boot."""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Seed"]

_WHOLE = 2**20  # bytes; a disk has whole sectors


class Seed:
    """Files for a host, each with its owner and permissions."""

    def __init__(self) -> None:
        self._files: list[tuple[str, bytes, int, int]] = []

    def place(self, name: str, text: str, *, mode: int = 0o644, owner: int = 0) -> None:
        """Add a file.

        Args:
            name: Its path on the host, without the leading `/`.
            text: Its content.
            mode: Its permissions.
            owner: User and group id of the file; its directory gets them too, unless that is root.
        """
        self._files.append((name, text.encode(), mode, owner))

    def write(self, disk: Path) -> None:
        """Write the disk, readable by this user only: it holds the host's private key."""
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as archive:
            for name, text, mode, owner in self._files:
                if owner:
                    directory = tarfile.TarInfo(str(PurePosixPath(name).parent))
                    directory.type = tarfile.DIRTYPE
                    archive.addfile(_owned(directory, mode | (mode & 0o444) >> 2, owner))
                file = tarfile.TarInfo(name)
                file.size = len(text)
                archive.addfile(_owned(file, mode, owner), io.BytesIO(text))
        disk.touch(mode=0o600)
        padding = -content.tell() % _WHOLE
        disk.write_bytes(content.getvalue() + b"\0" * padding)


def _owned(entry: tarfile.TarInfo, mode: int, owner: int) -> tarfile.TarInfo:
    entry.mode = mode
    entry.uid = entry.gid = owner
    return entry
