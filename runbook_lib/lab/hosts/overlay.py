"""Write files into the upper directory of an overlay, before it is mounted as a host's root file system."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_file"]


def write_file(  # noqa: PLR0913 - a file has that many properties
    lower: Path, upper: Path, name: str, text: str, *, mode: int = 0o644, owner: int = 0
) -> None:
    """Write one file.

    Args:
        lower: The overlay's lower directory; directories that exist there keep their owner and mode.
        upper: The overlay's upper directory.
        name: The file's path on the host, without the leading `/`.
        text: The file's content.
        mode: The file's permissions; missing parent directories get them too, plus `x` where there is `r`.
        owner: User and group id of the file and of missing parent directories.
    """
    file = upper / name
    for directory in reversed(file.relative_to(upper).parents):
        _make_directory(lower / directory, upper / directory, mode, owner)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    os.chown(file, owner, owner)


def _make_directory(lower: Path, directory: Path, mode: int, owner: int) -> None:
    if directory.exists():
        return
    directory.mkdir()
    if lower.is_dir():
        status = lower.stat()
        directory.chmod(status.st_mode & 0o7777)
        os.chown(directory, status.st_uid, status.st_gid)
    else:
        directory.chmod(mode | (mode & 0o444) >> 2)
        os.chown(directory, owner, owner)
