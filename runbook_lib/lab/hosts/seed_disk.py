"""A VM's second disk: a tar archive of the host's own files, which the VM unpacks at its first boot."""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SeedDisk"]

_BLOCK = 2**20  # bytes; a disk's size is a multiple of the sector size


class SeedDisk:
    """Files for a host, each with its owner and permissions."""

    def __init__(self) -> None:
        self._files: list[tuple[str, bytes, int, int]] = []

    def add_file(self, name: str, text: str, *, mode: int = 0o644, owner: int = 0) -> None:
        """Add a file.

        Args:
            name: The file's path on the host, without the leading `/`.
            text: The file's content.
            mode: The file's permissions.
            owner: User and group id of the file, and of its directory unless it is root's.
        """
        self._files.append((name, text.encode(), mode, owner))

    def write(self, disk: Path) -> None:
        """Write the disk, readable by this user only because it holds the host's private key.

        Args:
            disk: The file to write.
        """
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
        padding = -content.tell() % _BLOCK
        disk.write_bytes(content.getvalue() + b"\0" * padding)


def _owned(entry: tarfile.TarInfo, mode: int, owner: int) -> tarfile.TarInfo:
    entry.mode = mode
    entry.uid = entry.gid = owner
    return entry
