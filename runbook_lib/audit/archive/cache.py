"""The cache of an archive: the four tables in Parquet, part by part, and the index of the files they were read from.

The cache is never stored in the archive. Parts are written first, then the index replaces the old one in one step: a
reader sees the state before or the state after. The writer after the next removes parts that no index names.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runbook_lib import file_lock
from runbook_lib.atomic import replace_file
from runbook_lib.audit.archive.batch_reader import parquet
from runbook_lib.errors import EvidenceError, InputError
from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.project import expanded
from runbook_lib.report.arrow_rows import FILE, SCHEMAS
from runbook_lib.report.table_columns import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.audit.archive.location import Location

__all__ = ["EMPTY_INDEX", "Cache", "FileEntry", "Index"]

_log = logging.getLogger(__name__)
_LAYOUT = f"4.{SCHEMA_VERSION}.{hashlib.sha256(repr(SCHEMAS).encode()).hexdigest()[:16]}"
"""What must be the same for a cache to be used; an index of another layout is as good as none."""
_INDEX = "files.parquet"


class FileEntry(NamedTuple):
    """A file of the archive, as it was when it was last read.

    Args:
        file: Its number, by which its rows refer to it.
        path: Relative to the archive.
        kind: `run`, `notebook`, `foreign`, `damaged`, or `copy`: another record of a run that counts elsewhere.
        size: Bytes.
        mark: See `location.Found`.
        sha256: Of its content.
        run: The run's id.
        problem: What is missing or wrong; empty if the evidence is complete.
        part: The part with its rows; empty for a copy.
    """

    file: int
    path: str
    kind: str
    size: int
    mark: str
    sha256: str
    run: str
    problem: str
    part: str


_SCHEMA = pa.schema(
    [(name, pa.int64() if name in {"file", "size"} else pa.string()) for name in FileEntry._fields]
)


EMPTY_INDEX = _SCHEMA.empty_table()
"""The index before anything was read."""


class Index:
    """The files of an archive by path."""

    def __init__(self, entries: list[FileEntry], next_number: int = 1) -> None:
        self.entries = {entry.path: entry for entry in entries}
        self.next_number = next_number

    @property
    def parts(self) -> list[str]:
        """The parts that hold rows."""
        return sorted({entry.part for entry in self.entries.values()} - {""})

    def number(self) -> int:
        """Return a number that no file had before."""
        self.next_number += 1
        return self.next_number - 1


class Cache:
    """The cache of one archive.

    Args:
        location: The archive.
        top: The directory for caches of archives; by default below the user's own cache directory.

    Raises:
        InputError: The directory is inside the archive, or cannot be created.
    """

    def __init__(self, location: Location, top: Path | None = None) -> None:
        top = expanded(top or _default()).resolve()
        name = hashlib.sha256(location.name.encode()).hexdigest()[:16]
        self.directory = top / name
        if self.directory.is_relative_to(location.name):
            raise InputError(
                "inside the archive: nothing is ever written next to evidence",
                where=str(top),
                hint="name another directory with --cache",
            )
        self._address = location.name
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as problem:
            raise InputError(
                f"cannot be created: {problem.strerror}",
                where=str(self.directory),
                hint="name a writable directory with --cache",
            ) from problem

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only writer; wait for another one."""
        with self._writing(), (self.directory / "lock").open("w") as lock:
            if not file_lock.acquire(lock, wait=False):
                _log.warning("another process is reading this archive: waiting for it to finish")
                file_lock.acquire(lock)
            yield

    def load(self) -> Index:
        """Return the index; an empty one if there is none, or none that can be used."""
        path = self.directory / _INDEX
        try:
            table = pq.read_table(path, use_threads=False, memory_map=False)
        except FileNotFoundError:
            return Index([])
        except (OSError, pa.ArrowException) as problem:
            _log.warning(
                "%s: the index cannot be read, so the whole archive is read again: %s", path, problem
            )
            return Index([])
        metadata = table.schema.metadata or {}
        if metadata.get(b"layout") != _LAYOUT.encode() or metadata.get(b"address") != self._address.encode():
            return Index([])
        columns = [table.column(name).to_pylist() for name in FileEntry._fields]
        entries = [FileEntry(*values) for values in zip(*columns, strict=True)]
        return Index(entries, int(metadata[b"following"]))

    def files(self) -> tuple[pa.Table, list[str]]:
        """Return the index as a table, and the parts that hold rows: both of the same moment.

        Raises:
            EvidenceError: The index cannot be read, or is of another layout.
        """
        path = self.directory / _INDEX
        if not path.exists():
            return EMPTY_INDEX, []
        try:
            table = pq.read_table(path, use_threads=False, memory_map=False)
        except (OSError, pa.ArrowException) as problem:
            raise self._unreadable(path, problem) from problem
        if (table.schema.metadata or {}).get(b"layout") != _LAYOUT.encode():
            raise EvidenceError(
                "the cache was written by a version with other columns",
                where=str(self.directory),
                hint="run the command again without --as-is, to rebuild the cache",
            )
        return table, sorted(set(pc.unique(table.column("part")).to_pylist()) - {""})

    def save(self, index: Index) -> None:
        """Replace the index.

        Raises:
            EvidenceError: It cannot be written.
        """
        rows = list(zip(*index.entries.values(), strict=True)) or [()] * len(FileEntry._fields)
        metadata = {"layout": _LAYOUT, "address": self._address, "following": str(index.next_number)}
        arrays = [pa.array(values, field.type) for values, field in zip(rows, _SCHEMA, strict=True)]
        self._write(_INDEX, parquet(pa.Table.from_arrays(arrays, schema=_SCHEMA.with_metadata(metadata))))

    def add(self, tables: dict[str, Any]) -> str:
        """Write a part; return its name.

        Args:
            tables: Arrow tables, or the bytes of Parquet files.

        Raises:
            EvidenceError: It cannot be written.
        """
        part = uuid.uuid4().hex
        for name, table in tables.items():
            self._write(f"{name}-{part}.parquet", table if isinstance(table, bytes) else parquet(table))
        return part

    def part(self, name: str, part: str) -> pa.Table:
        """Return a table's rows in a part.

        Raises:
            EvidenceError: It cannot be read.
        """
        path = self.file(name, part)
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowException) as problem:
            raise self._unreadable(path, problem) from problem

    def _unreadable(self, path: Path, problem: Exception) -> EvidenceError:
        return EvidenceError(
            f"the cache cannot be read: {problem}",
            where=str(path),
            hint=f"remove {self.directory}; the next command rebuilds the cache from the archive",
        )

    def file(self, name: str, part: str) -> Path:
        """Return the file with a table's rows in a part."""
        return self.directory / f"{name}-{part}.parquet"

    def count(self, part: str) -> int:
        """Return how many files have rows in a part: each has one of a run.

        Raises:
            EvidenceError: The part cannot be read.
        """
        path = self.file("runs", part)
        try:
            return int(pq.read_metadata(path).num_rows)
        except (OSError, pa.ArrowException) as problem:
            raise self._unreadable(path, problem) from problem

    def merge(self, parts: list[str], kept: set[int]) -> str:
        """Write parts again as one, with the rows of some files only; return its name, empty if no row is left."""
        wanted = pa.array(sorted(kept), pa.int64())
        tables = {}
        for name in TABLES:
            table = pa.concat_tables([self.part(name, part) for part in parts])
            tables[name] = table.filter(pc.is_in(table.column(FILE), wanted))
        return self.add(tables) if tables["runs"].num_rows else ""

    def tidy(self, index: Index) -> None:
        """Remove parts that the index does not name; only for the one writer, before it writes."""
        known = {self.file(name, part) for part in index.parts for name in TABLES}
        for path in self.directory.glob("*-*.parquet"):
            if path not in known:
                path.unlink(missing_ok=True)
        for path in self.directory.glob(".*.part"):
            path.unlink(missing_ok=True)

    def _write(self, name: str, data: bytes) -> None:
        with self._writing():
            replace_file(self.directory / name, data)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise EvidenceError(
                f"the cache cannot be written: {problem.strerror or problem}",
                where=str(self.directory),
                hint="free space, or name another directory with --cache",
            ) from problem


def _default() -> Path:
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "runbook" / "archives"
