"""Find the runs in a directory tree: run directories, and standalone notebooks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.evidence.layout import ATTESTATION, JOURNAL, NOTEBOOK, RUN_NAME
from runbook_lib.evidence.path_text import is_loop

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Candidate", "find_runs", "is_run_directory"]


@dataclass(frozen=True)
class Candidate:
    """A path to verify.

    Args:
        refused: Why the path is not verified; empty if it is.
    """

    path: Path
    refused: str = ""


def is_run_directory(path: Path) -> bool:
    """Return whether a path is a run directory: by its files, or by its name if they are gone."""
    return os.path.isdir(path) and (  # noqa: PTH112 - as below, it raises nothing
        any(os.path.lexists(path / name) for name in (JOURNAL, ATTESTATION))
        or RUN_NAME.fullmatch(os.path.basename(os.path.realpath(path))) is not None  # noqa: PTH119 - as above
    )


def find_runs(top: Path) -> Iterator[Candidate]:
    """Yield the runs in a directory tree, in order of their names; a path that is one run is the only one.

    Links are not followed: the target of a link within `top` is found anyway, any other link is refused.
    """
    if is_run_directory(top) or not top.is_dir():
        yield Candidate(_containing_run(top))
        return
    waiting = [top]
    while waiting:
        subdirectories: list[Path] = []
        yield from _scan(waiting.pop(), top.resolve(), subdirectories)
        waiting.extend(reversed(subdirectories))


def _scan(directory: Path, top: Path, subdirectories: list[Path]) -> Iterator[Candidate]:
    """Yield the runs directly in a directory; directories that are not runs are added to `subdirectories`."""
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError as problem:
        yield Candidate(directory, f"cannot be read: {problem.strerror}")
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_symlink():
            yield from _refused_link(path, top)
        elif entry.is_file():
            if entry.name.endswith(".ipynb"):
                yield Candidate(path)
        elif entry.name.endswith(".ipynb") and not entry.is_dir():
            yield Candidate(path, "not a regular file")
        elif is_run_directory(path):
            yield Candidate(path)
        elif entry.is_dir() and not entry.name.startswith("."):
            subdirectories.append(path)


def _refused_link(link: Path, top: Path) -> Iterator[Candidate]:
    if link.suffix == ".ipynb" and is_loop(str(link)):
        yield Candidate(link, "a symbolic link that leads to itself")
    elif not Path(os.path.realpath(link)).is_relative_to(top):
        yield Candidate(link, "a symbolic link that leads out of the directory: not followed")


def _containing_run(path: Path) -> Path:
    """Return the run directory that a journal, an attestation or an executed notebook belongs to."""
    if path.name in {JOURNAL, NOTEBOOK, ATTESTATION} and is_run_directory(path.parent):
        return path.parent
    return path
