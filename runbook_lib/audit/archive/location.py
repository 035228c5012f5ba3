"""Where an archive is stored, and the files in it: a directory tree, or any address that fsspec knows.

An archive consists of run directories (with a `journal.jsonl`) and executed notebooks. Names that begin with a dot
are left out. The notebooks of a run directory itself, and all files in its `output`, belong to that run; directories
below it are searched like any other, so a journal at the wrong place hides no other run. Symbolic links are never
followed.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import fsspec
from fsspec.utils import get_protocol, stringify_path

from runbook_lib.errors import InputError
from runbook_lib.evidence.layout import JOURNAL, NOTEBOOK, OUTPUT, RUN_NAME
from runbook_lib.evidence.path_text import is_loop, path_from_text, path_text
from runbook_lib.project import usable_path

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LARGEST", "Found", "LocalLocation", "Location", "RemoteLocation", "location_of"]

LARGEST = 512 * 1024 * 1024
"""Bytes of a file above which it is listed and not read."""
_PIECE = 1024 * 1024  # bytes read at a time of what was written to a file since its size was read


class Found(NamedTuple):
    """A run directory, notebook or unreadable path in an archive.

    Args:
        path: Relative to the archive, with slashes, as `path_text` writes it: the run directory, or the notebook.
        kind: `run`, `notebook`, or `trouble` for a path that cannot be read at all.
        size: Bytes of the journal or notebook.
        mark: Changes whenever the content does, or that of the notebook that belongs to a run: from the file's
            inode and times, or an object store's tag.
        problem: Why it cannot be read.
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

    @property
    def notebook(self) -> str:
        """The executed notebook that belongs to a run, if there is one."""
        return f"{self.path}/{NOTEBOOK}"


class Location(Protocol):
    """Where an archive is stored. It can be sent to another process or machine, and read there."""

    @property
    def name(self) -> str:
        """The address, in full."""

    def walk(self) -> Iterator[Found]:
        """Yield the archive's files in the order of their paths; none is left out silently."""

    def read(self, file: str) -> bytes:
        """Return a file's content.

        Raises:
            OSError: It cannot be read.
        """


def location_of(address: str | Path) -> LocalLocation | RemoteLocation:
    """Return the location that an address names.

    Raises:
        InputError: Nothing is stored at the address, or fsspec does not know this kind of address.
    """
    text = stringify_path(address)
    if get_protocol(text) in {"file", "local"}:
        path = usable_path(text.partition("://")[2] or text)
        if not path.is_dir():
            raise InputError("no such directory", where=str(path), hint="name an archive's top directory")
        return LocalLocation(path.resolve())
    location = RemoteLocation(text.rstrip("/"))
    try:
        exists = location.files.exists(location.top)
    except Exception as problem:  # each kind of store raises errors of its own library, not of ours
        reason = str(problem).partition("\n")[0] or type(problem).__name__
        raise InputError(
            f"cannot be reached: {reason}",
            where=text,
            hint="check the address, the network and the credentials",
        ) from problem
    if not exists:
        raise InputError(
            "nothing is stored at this address", where=text, hint="name an archive's top directory"
        )
    return location


@dataclass(frozen=True)
class LocalLocation:
    """A directory tree on this machine."""

    top: Path

    @property
    def name(self) -> str:
        """The top's path."""
        return path_text(str(self.top))

    def walk(self) -> Iterator[Found]:
        """Yield the archive's files; see `Location`."""
        is_run = os.path.lexists(self.top / JOURNAL)
        if is_run:
            yield self._run(self.top.as_posix(), ".")
        yield from self._walk_directory(str(self.top), "", is_run=is_run)

    def read(self, file: str) -> bytes:
        """Return a file's content; a symbolic link is refused.

        Raises:
            OSError: It cannot be read.
        """
        handle = os.open(self.top / path_from_text(file), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:  # without a file object, which takes as long to make as a small file to read
            data = os.read(handle, os.fstat(handle).st_size + 1)
            while more := os.read(handle, _PIECE):
                data += more
        finally:
            os.close(handle)
        return data

    def _walk_directory(self, directory: str, path: str, *, is_run: bool = False) -> Iterator[Found]:
        try:
            with os.scandir(directory) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError as problem:
            yield Found(path or ".", "trouble", problem=f"the directory cannot be read: {problem.strerror}")
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = path_text(entry.name)
            relative = f"{path}/{name}" if path else name
            if entry.is_symlink():
                yield from self._link(entry.path, relative)
            elif entry.is_dir():
                if not (is_run and entry.name == OUTPUT):
                    yield from self._directory(entry, relative)
            elif entry.name.endswith(".ipynb") and not is_run:
                yield _regular(entry.path, relative, "notebook")

    def _directory(self, entry: os.DirEntry[str], path: str) -> Iterator[Found]:
        is_run = False
        if RUN_NAME.fullmatch(entry.name) or os.path.lexists(f"{entry.path}/{JOURNAL}"):
            found = self._run(entry.path, path)
            yield found
            is_run = found.kind == "run"
        yield from self._walk_directory(entry.path, path, is_run=is_run)

    def _run(self, directory: str, path: str) -> Found:
        found = _regular(f"{directory}/{JOURNAL}", path, "run")
        if found.kind == "trouble":
            return found._replace(
                problem=f"the journal of this run directory cannot be read: {found.problem}"
            )
        notebook = _regular(f"{directory}/{NOTEBOOK}", path, "notebook")
        return found._replace(mark=f"{found.mark} {notebook.mark}")

    def _link(self, link: str, path: str) -> Iterator[Found]:
        """Yield a link out of the archive that may lead to runs; the target of any other link is found anyway.

        A notebook that is a link to itself has no target.
        """
        target = Path(os.path.realpath(link))
        if link.endswith(".ipynb") and is_loop(link):
            yield Found(path, "trouble", problem="a symbolic link that leads to itself")
            return
        if not target.is_relative_to(self.top) and (link.endswith(".ipynb") or target.is_dir()):
            yield Found(path, "trouble", problem="a symbolic link out of the archive: not followed")


def _regular(file: str, path: str, kind: str) -> Found:
    try:
        status = os.lstat(file)
    except FileNotFoundError:
        return Found(path, "trouble", problem="no such file")
    except OSError as problem:
        return Found(path, "trouble", problem=f"cannot be read: {problem.strerror}")
    if not stat.S_ISREG(status.st_mode):
        is_link = stat.S_ISLNK(status.st_mode)
        why = "a symbolic link: not followed" if is_link else "not a regular file"
        return Found(path, "trouble", problem=why)
    # A change can be undone and the time of the last change be set back; ctime and inode show it.
    mark = f"{status.st_mtime_ns}.{status.st_ctime_ns}.{status.st_ino}"
    return _sized(Found(path, kind, status.st_size, mark))


def _sized(found: Found) -> Found:
    if found.size <= LARGEST:
        return found
    return found._replace(kind="trouble", problem=f"{found.size} bytes, more than {LARGEST}: not read")


@dataclass(frozen=True)
class RemoteLocation:
    """An address that fsspec reaches, as `s3://bucket/runs`."""

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
        """Yield the archive's files; see `Location`."""
        listed: dict[str, dict[str, Any]] = self.files.find(self.top, detail=True)
        files = {name[len(self.top) :].lstrip("/"): entry for name, entry in sorted(listed.items())}
        runs = {path.rpartition("/")[0] for path in files if path.rpartition("/")[2] == JOURNAL}
        for path, entry in files.items():
            directory, _, name = path.rpartition("/")
            if any(part.startswith(".") for part in path.split("/")):
                continue
            kind = "run" if name == JOURNAL else "notebook"
            if name == JOURNAL or (name.endswith(".ipynb") and not _inside(directory, runs)):
                found = path_text((directory or ".") if name == JOURNAL else path)
                mark = _mark(entry)
                of_run = files.get(f"{directory}/{NOTEBOOK}".lstrip("/")) if kind == "run" else None
                if mark and of_run:
                    mark = f"{mark} {_mark(of_run)}"
                yield _sized(Found(found, kind, int(entry.get("size") or 0), mark))

    def read(self, file: str) -> bytes:
        """Return a file's content.

        Raises:
            OSError: It cannot be read.
        """
        content: bytes = self.files.cat_file(f"{self.top}/{path_from_text(file).removeprefix('./')}")
        return content


def _inside(directory: str, runs: set[str]) -> bool:
    """Return whether a directory is a run's, or its `output`, or below that."""
    parts = directory.split("/") if directory else []
    return directory in runs or any(
        part == OUTPUT and "/".join(parts[:number]) in runs for number, part in enumerate(parts)
    )


def _mark(entry: dict[str, Any]) -> str:
    """Return what changes with the content; empty if the store has nothing of the kind: the file is then read."""
    for name in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "updated", "created"):
        if entry.get(name):
            return str(entry[name])
    return ""
