"""Make the labs' directories and files, next to other processes that remove theirs."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, TypeVar

from runbook_lib.atomic import replace_file
from runbook_lib.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["despite_removals", "is_own", "make_directory", "make_private", "replace_if_different"]

_ATTEMPTS = 1000  # some 20 ms; of four processes that do nothing else, one needed at most 5
T = TypeVar("T")


def make_directory(directory: Path, mode: int = 0o777) -> None:
    """Make a directory, with its parents, unless it exists; other processes may remove empty parents meanwhile.

    Args:
        directory: The directory.
        mode: Its permissions, if it is new.

    Raises:
        OSError: It cannot be made.
    """
    despite_removals(lambda: directory.mkdir(mode=mode, parents=True, exist_ok=True))


def make_private(directory: Path) -> None:
    """Make a directory that only its owner can enter, with its parents; one that exists becomes such a directory.

    A practice host's files are below: its root may make a program setuid, and no user of this machine may run that.

    Args:
        directory: The directory.

    Raises:
        LabError: It cannot be made, or another user has made it, who could replace what is written below it.
    """
    try:
        make_directory(directory, 0o700)
        if not is_own(directory):
            raise LabError(
                "the directory belongs to another user",
                where=str(directory),
                hint="remove it, or set RUNBOOK_LAB_DATA to a directory where others cannot write",
            )
        directory.chmod(0o700)
    except OSError as problem:
        raise LabError(
            f"a directory cannot be made: {problem}",
            where=str(directory),
            hint="check that this user owns the directory above",
        ) from problem


def replace_if_different(file: Path, content: bytes) -> None:
    """Write a file that everybody may read, unless it has the content already.

    Args:
        file: The file; a crash leaves either the old content or the new one.
        content: What it is to have.

    Raises:
        OSError: It cannot be written.
    """
    with contextlib.suppress(FileNotFoundError):
        if file.read_bytes() == content:
            return
    replace_file(file, content, durable=True, mode=0o644)


def is_own(directory: Path) -> bool:
    """Return whether a directory belongs to this user, as does the link to it, if it is one.

    Args:
        directory: The directory.

    Raises:
        OSError: It cannot be looked at.
    """
    found = (directory.lstat(), directory.stat())
    return stat.S_ISDIR(found[1].st_mode) and {status.st_uid for status in found} == {os.geteuid()}


def despite_removals(make: Callable[[], T]) -> T:
    """Return what `make` returns, which makes something in directories that other processes remove when empty.

    A directory that `make` has found, or has just made, can be gone in its next call of the system: then `make` is
    called again. A path that cannot be made at all gives the same errors, so it is not called for ever.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            return make()
    return make()
