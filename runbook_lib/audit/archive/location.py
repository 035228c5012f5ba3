"""Where an archive lies, and what is in it: a directory tree, or any address that fsspec knows.

Looked for are run directories (with a `journal.jsonl`) and executed notebooks. Names that begin with a dot are
left out, and what lies inside a run directory belongs to that run. Symbolic links are never followed.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import fsspec
from fsspec.utils import get_protocol, stringify_path

from runbook_lib.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["JOURNAL", "LARGEST", "NOTEBOOK", "Found", "LocalPlace", "Place", "RemotePlace", "place_of"]

JOURNAL = "journal.jsonl"
NOTEBOOK = "notebook.ipynb"
LARGEST = 512 * 1024 * 1024
"""Bytes of a file above which it is told and not read."""
_RUN = re.compile(r"\d{8}T\d{6}Z_.+_[0-9a-f]{6}")


class Found(NamedTuple):
    """Something in an archive that is to be told of.

    Args:
        path: Relative to the archive, with slashes: the run directory, or the notebook.
        kind: `run`, `notebook`, or `trouble` for what cannot be read at all.
        size: Bytes of the journal or notebook.
        mark: Changes whenever its content does: the time of its last change, or an object store's tag.
        problem: Why it cannot be read, in words.
    """

    path: str
    kind: str
    size: int = 0
    mark: str = ""
    problem: str = ""

    @property
    def file(self) -> str:
        """The file that is read."""
        return self.path if self.kind == "notebook" else f"{self.path}/{JOURNAL}"


class Place(Protocol):
    """An archive's place. It can be sent to another process or machine, and read there."""

    @property
    def name(self) -> str:
        """The address, in full."""

    def walk(self) -> Iterator[Found]:
        """Yield what is there, in the order of its paths; nothing that is found is left out silently."""

    def read(self, file: str) -> bytes:
        """Return a file's content.

        Raises:
            OSError: It cannot be read.
        """


def place_of(address: str | Path) -> LocalPlace | RemotePlace:
    """Return the place that an address names.

    Raises:
        InputError: There is nothing, or no such kind of address is known here.
    """
    text = stringify_path(address)
    if get_protocol(text) in {"file", "local"}:
        path = Path(text.partition("://")[2] or text).expanduser()
        if not path.is_dir():
            raise InputError("there is no such directory", where=str(path), hint="name an archive's top")
        return LocalPlace(path.resolve())
    place = RemotePlace(text.rstrip("/"))
    try:
        there = place.files.exists(place.top)
    except (ImportError, ValueError, OSError) as problem:
        raise InputError(f"cannot be reached: {problem}", where=text) from problem
    if not there:
        raise InputError("there is nothing at this address", where=text, hint="name an archive's top")
    return place


@dataclass(frozen=True)
class LocalPlace:
    """A directory tree on this machine."""

    top: Path

    @property
    def name(self) -> str:
        """The top's path."""
        return str(self.top)

    def walk(self) -> Iterator[Found]:
        """Yield what is there; see `Place`."""
        if (self.top / JOURNAL).exists():
            yield self._run(self.top.as_posix(), ".")
            return
        yield from self._below(str(self.top), "")

    def read(self, file: str) -> bytes:
        """Return a file's content; a symbolic link is refused.

        Raises:
            OSError: It cannot be read.
        """
        handle = os.open(self.top / file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as opened:
            return opened.read()

    def _below(self, directory: str, path: str) -> Iterator[Found]:
        try:
            with os.scandir(directory) as entries:
                there = sorted(entries, key=lambda entry: entry.name)
        except OSError as problem:
            yield Found(path or ".", "trouble", problem=f"the directory cannot be read: {problem.strerror}")
            return
        for entry in there:
            if entry.name.startswith("."):
                continue
            below = f"{path}/{entry.name}" if path else entry.name
            if entry.is_symlink():
                yield from self._link(entry.path, below)
            elif entry.is_dir():
                yield from self._directory(entry, below)
            elif entry.name.endswith(".ipynb"):
                yield _regular(entry.path, below, "notebook")

    def _directory(self, entry: os.DirEntry[str], path: str) -> Iterator[Found]:
        named = _RUN.fullmatch(entry.name)
        if named or os.path.lexists(f"{entry.path}/{JOURNAL}"):
            found = self._run(entry.path, path)
            yield found
            if found.kind == "run":
                return
        yield from self._below(entry.path, path)

    def _run(self, directory: str, path: str) -> Found:
        found = _regular(f"{directory}/{JOURNAL}", path, "run")
        if found.kind == "trouble":
            return found._replace(problem=f"a run directory whose journal cannot be read: {found.problem}")
        return found

    def _link(self, link: str, path: str) -> Iterator[Found]:
        """Tell of a link out of the archive that may lead to runs; what it leads to inside is told of there."""
        target = Path(os.path.realpath(link))
        if not target.is_relative_to(self.top) and (link.endswith(".ipynb") or target.is_dir()):
            yield Found(path, "trouble", problem="a symbolic link out of the archive: it is not followed")


def _regular(file: str, path: str, kind: str) -> Found:
    try:
        told = os.lstat(file)
    except FileNotFoundError:
        return Found(path, "trouble", problem="it is not there")
    except OSError as problem:
        return Found(path, "trouble", problem=f"it cannot be read: {problem.strerror}")
    if not stat.S_ISREG(told.st_mode):
        link = stat.S_ISLNK(told.st_mode)
        return Found(
            path, "trouble", problem="it is a symbolic link: not followed" if link else "it is no plain file"
        )
    return _sized(Found(path, kind, told.st_size, f"{told.st_mtime_ns}"))


def _sized(found: Found) -> Found:
    if found.size <= LARGEST:
        return found
    return found._replace(kind="trouble", problem=f"it has {found.size} bytes, more than {LARGEST}: not read")


@dataclass(frozen=True)
class RemotePlace:
    """A place that fsspec reaches, as `s3://bucket/runs`."""

    address: str

    @property
    def name(self) -> str:
        """The address."""
        return self.address

    @property
    def files(self) -> Any:  # noqa: ANN401 - fsspec's own class
        """The file system; fsspec keeps one for each address."""
        return fsspec.url_to_fs(self.address)[0]

    @property
    def top(self) -> str:
        """The address within its file system."""
        return str(fsspec.url_to_fs(self.address)[1]).rstrip("/")

    def walk(self) -> Iterator[Found]:
        """Yield what is there; see `Place`."""
        listed: dict[str, dict[str, Any]] = self.files.find(self.top, detail=True)
        told = {name[len(self.top) :].lstrip("/"): entry for name, entry in sorted(listed.items())}
        runs = {path.rpartition("/")[0] for path in told if path.rpartition("/")[2] == JOURNAL}
        for path, entry in told.items():
            directory, _, name = path.rpartition("/")
            if any(part.startswith(".") for part in path.split("/")):
                continue
            kind = "run" if name == JOURNAL else "notebook"
            if name == JOURNAL or (name.endswith(".ipynb") and not _inside(directory, runs)):
                place = (directory or ".") if name == JOURNAL else path
                yield _sized(Found(place, kind, int(entry.get("size") or 0), _mark(entry)))

    def read(self, file: str) -> bytes:
        """Return a file's content.

        Raises:
            OSError: It cannot be read.
        """
        content: bytes = self.files.cat_file(f"{self.top}/{file.removeprefix('./')}")
        return content


def _inside(directory: str, runs: set[str]) -> bool:
    parts = directory.split("/")
    return any("/".join(parts[:end]) in runs for end in range(len(parts) + 1))


def _mark(entry: dict[str, Any]) -> str:
    """Return what changes with the content; empty where the store tells nothing of the kind: then it is read."""
    for name in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "updated", "created"):
        if entry.get(name):
            return str(entry[name])
    return ""
