"""Write a new runbook, and around it what a repository of runbooks needs and does not have yet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError
from runbook_lib.installation import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.resources.abc import Traversable

__all__ = ["NewRepository", "create"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST = 60  # characters: the name is a part of the names of run directories
_PLACEHOLDER, _TITLE, _REQUIREMENT = "@NAME@", "@TITLE@", "@REQUIREMENT@"
_LOCAL_WHEEL = """\
# The library was installed from a copy on one machine. Put its wheel into wheels/, and commit that:
#   pip wheel --no-deps --wheel-dir wheels THE-COPY
--find-links wheels
"""
_SUFFIX = ".template"  # so that no tool takes a template for what it becomes


@dataclass(frozen=True)
class NewRepository:
    """What was written.

    Args:
        written: New files, relative to the directory.
        kept: Files that existed, and are as they were.
    """

    written: Sequence[str]
    kept: Sequence[str]


def create(name: str, directory: Path, origin: Origin) -> NewRepository:
    """Write a runbook that runs at once, with its parameters file and test, and the files around it.

    Files of the repository as a whole, such as the inventory, are kept if they exist; so the next runbook is made in
    the same way.

    Args:
        name: The runbook's name.
        directory: The repository's directory; created if it does not exist.
        origin: Where its requirements.txt takes this library from.

    Raises:
        InputError: The name cannot be a runbook's, a file of this runbook exists, or the directory cannot be written.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST or name.endswith(".ipynb"):
        raise InputError(
            f"{name!r} cannot be the name of a runbook",
            where="NAME",
            hint=f"use up to {_LONGEST} letters, digits, '.', '_' and '-', beginning with a letter or digit",
        )
    files = {_path(path, name): (text, _PLACEHOLDER in path) for path, text in _templates()}
    for path, (_, own) in files.items():
        if own and _exists(directory / path):
            raise InputError(
                "the file exists, and is not overwritten",
                where=str(directory / path),
                hint="choose another name",
            )
    title = name.replace("-", " ").replace("_", " ").strip().capitalize()
    written, kept = [], []
    for path, (text, _) in files.items():
        if _exists(directory / path):
            kept.append(path)
            continue
        own_text = (
            text.replace(_PLACEHOLDER, name)
            .replace(_TITLE, title)
            .replace(_REQUIREMENT, _requirement(origin))
        )
        _write(directory / path, own_text)
        written.append(path)
    return NewRepository(written, kept)


def _path(template: str, name: str) -> str:
    """Return the file that a template becomes; pytest imports a test by its name, in which a dot has a meaning."""
    return template.replace(_PLACEHOLDER, name.replace(".", "_") if template.endswith(".py") else name)


def _requirement(origin: Origin) -> str:
    """Return the lines of `requirements.txt` that install this library, on other machines too."""
    extras = ("jupyter", "pytest")
    return origin.requirement(*extras) or _LOCAL_WHEEL + (Origin().requirement(*extras) or "")


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as problem:
        raise InputError(
            f"cannot be written: {problem.strerror or problem}",
            where=str(path),
            hint="name another directory with --directory",
        ) from problem


def _templates() -> Iterator[tuple[str, str]]:
    """Yield path and text of each template."""
    yield from sorted(_files(resources.files(__package__) / "templates", PurePosixPath()))


def _files(folder: Traversable, path: PurePosixPath) -> Iterator[tuple[str, str]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _files(item, path / item.name)
        elif item.name.endswith(_SUFFIX):
            yield str(path / item.name.removesuffix(_SUFFIX)), item.read_text(encoding="utf-8")
