"""Find runs below a directory: run directories, and notebooks that lie alone."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.evidence.layout import ATTESTATION, JOURNAL, NOTEBOOK

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Place", "is_run_directory", "runs_below"]

_RUN = re.compile(r"\d{8}T\d{6}Z_.+_[0-9a-f]{6}")


@dataclass(frozen=True)
class Place:
    """Something to verify.

    Args:
        refused: Why it is not looked at; empty where it is.
    """

    path: Path
    refused: str = ""


def is_run_directory(path: Path) -> bool:
    """Return whether a directory is a run's: by what is in it, or where that is gone, by its name."""
    return path.is_dir() and (
        any((path / name).is_symlink() or (path / name).exists() for name in (JOURNAL, ATTESTATION))
        or _RUN.fullmatch(path.resolve().name) is not None
    )


def runs_below(top: Path) -> Iterator[Place]:
    """Yield the runs at and below a path, in order of their names.

    Links are not followed: one that stays below `top` leads to what is found anyway, any other is refused.
    """
    if is_run_directory(top) or not top.is_dir():
        yield Place(_run_of(top))
        return
    waiting = [top]
    while waiting:
        below: list[Path] = []
        yield from _in(waiting.pop(), top.resolve(), below)
        waiting.extend(reversed(below))


def _in(directory: Path, inside: Path, below: list[Path]) -> Iterator[Place]:
    """Yield what lies in a directory itself; its own directories are added to `below`."""
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError as problem:
        yield Place(directory, f"cannot be read: {problem.strerror}")
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_symlink():
            if not path.resolve().is_relative_to(inside):
                yield Place(path, "a symbolic link that leads out of here: it is not followed")
        elif entry.is_file():
            if entry.name.endswith(".ipynb"):
                yield Place(path)
        elif is_run_directory(path):
            yield Place(path)
        elif entry.is_dir() and not entry.name.startswith("."):
            below.append(path)


def _run_of(path: Path) -> Path:
    """Return the run directory that a journal, an attestation or an executed notebook lies in."""
    if path.name in {JOURNAL, NOTEBOOK, ATTESTATION} and is_run_directory(path.parent):
        return path.parent
    return path
