"""Write files into the upper directory of an overlay, as if into the root file system it will be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["place"]


def place(  # noqa: PLR0913 - a file has that many properties
    lower: Path, upper: Path, name: str, text: str, *, mode: int = 0o644, owner: int = 0
) -> None:
    """Write one file.

    Args:
        lower: The root file system below; directories that exist there keep their owner and mode.
        upper: The overlay's upper directory.
        name: The file's path in the host, without the leading `/`.
        text: Its content.
        mode: Its permissions; missing parent directories get them too, and `x` where there is `r`.
        owner: User and group id of the file and of missing parents.
    """
    file = upper / name
    for directory in reversed(file.relative_to(upper).parents):
        _make(lower / directory, upper / directory, mode, owner)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    os.chown(file, owner, owner)


def _make(below: Path, directory: Path, mode: int, owner: int) -> None:
    if directory.exists():
        return
    directory.mkdir()
    if below.is_dir():
        like = below.stat()
        directory.chmod(like.st_mode & 0o7777)
        os.chown(directory, like.st_uid, like.st_gid)
    else:
        directory.chmod(mode | (mode & 0o444) >> 2)
        os.chown(directory, owner, owner)
