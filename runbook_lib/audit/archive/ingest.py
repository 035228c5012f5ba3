"""Bring an archive's cache up to date: only files that are new or have changed are read."""

from __future__ import annotations

import itertools
import os
import signal
from collections import deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runbook_lib.audit.archive.batch_reader import directory_name, read_batch, read_encoded
from runbook_lib.audit.archive.cache import FileEntry
from runbook_lib.audit.archive.copies import as_copy
from runbook_lib.audit.archive.location import LocalLocation
from runbook_lib.audit.archive.rewritten_parts import rewrite_parts
from runbook_lib.report.arrow_rows import FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future

    from runbook_lib.audit.archive.batch_reader import FileResult
    from runbook_lib.audit.archive.cache import Cache, Index
    from runbook_lib.audit.archive.location import Found, Location

__all__ = ["Ingestion", "Processes", "ingest"]

Processes = Literal["processes"]
"""Read in worker processes; a program that asks for them must start under `if __name__ == "__main__"`."""

_BATCH_BYTES = 8 * 1024 * 1024
_BATCH_FILES = 1000
_WORTH_PROCESSES = 512 * 1024 * 1024  # bytes to read above which processes are started
_COUNTED = frozenset({"run", "notebook"})

Numbered = list[tuple[int, "Found"]]


@dataclass(frozen=True)
class Ingestion:
    """What bringing the cache up to date did.

    Args:
        files: Files in the archive.
        read: How many of them were read now.
        gone: How many files have disappeared since the last time.
        bytes: How many bytes were read.
    """

    files: int
    read: int
    gone: int
    bytes: int


def ingest(
    location: Location,
    cache: Cache,
    executor: Executor | Processes | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Ingestion:
    """Bring the cache up to date.

    Args:
        location: The archive.
        cache: Its cache.
        executor: Where to read; by default in this process. `processes`: in worker processes if there is much to read.
        report: Called with bytes read and bytes to read.

    Raises:
        EvidenceError: The cache cannot be written.
    """
    with cache.locked():
        return _Ingest(location, cache, report or (lambda done, whole: None)).run(executor)  # noqa: ARG005 - no report


class _Ingest:
    def __init__(self, location: Location, cache: Cache, report: Callable[[int, int], None]) -> None:
        self.location = location
        self.cache = cache
        self.report = report
        self.index: Index = cache.load()
        self.counted = {entry.run: entry for entry in self.index.entries.values() if entry.kind in _COUNTED}

    def run(self, executor: Executor | Processes | None) -> Ingestion:
        before = len(self.index.entries)
        found = {item.path: item for item in self.location.walk()}
        gone = [entry for path, entry in self.index.entries.items() if path not in found]
        for entry in gone:
            self._drop(entry)
        changed = self._moved([item for item in found.values() if not self._unchanged(item)], gone)
        changed += self._copies_of_none(found)
        if not (changed or gone) and len(self.index.entries) == before:
            return Ingestion(len(found), 0, 0, 0)
        self.cache.tidy(self.cache.load())
        try:
            self._read(changed, executor)
        finally:  # files read before a Ctrl-C need not be read again
            rewrite_parts(self.cache, self.index)
            self.cache.save(self.index)
        return Ingestion(len(found), len(changed), len(gone), sum(item.size for item in changed))

    def _unchanged(self, item: Found) -> bool:
        known = self.index.entries.get(item.path)
        if known is None or (known.size, known.mark) != (item.size, item.mark):
            return False
        if item.kind == "trouble":
            return known.problem == item.problem
        return bool(item.mark)

    def _copies_of_none(self, found: dict[str, Found]) -> list[Found]:
        """Return copies of which the record that counted is gone or read again: it may be they that count now."""
        copies = [
            entry
            for entry in self.index.entries.values()
            if entry.kind == "copy" and entry.run not in self.counted
        ]
        for entry in copies:
            self._drop(entry)
        return [found[entry.path] for entry in copies]

    def _drop(self, entry: FileEntry) -> None:
        """Forget a file; its rows are removed when the parts are written."""
        del self.index.entries[entry.path]
        if self.counted.get(entry.run) is entry:
            del self.counted[entry.run]

    def _moved(self, changed: list[Found], gone: list[FileEntry]) -> list[Found]:
        """Keep the rows of notebooks that only changed their name or time; return the other files.

        A run is read again: it is judged by more than its journal, also by its directory's name and its notebook.
        """
        old = [self.index.entries[item.path] for item in changed if item.path in self.index.entries]
        same = {(entry.size, entry.sha256): entry for entry in (*gone, *old) if entry.kind == "notebook"}
        sizes = {size for size, _ in same}
        rest = []
        for item in changed:
            before = self.index.entries.get(item.path)
            if before is not None:
                self._drop(before)
            digest = self._digest(item) if item.kind == "notebook" and item.size in sizes else ""
            kept = same.pop((item.size, digest), None) if digest else None
            if kept is None:
                rest.append(item)
                continue
            self._note(kept._replace(path=item.path, mark=item.mark))
        return rest

    def _digest(self, item: Found) -> str:
        try:
            return sha256(self.location.read(item.file)).hexdigest()
        except OSError:
            return ""  # reading the file for its rows reports this

    def _note(self, entry: FileEntry) -> None:
        self.index.entries[entry.path] = entry
        if entry.kind in _COUNTED:
            self.counted[entry.run] = entry

    def _read(self, changed: list[Found], executor: Executor | Processes | None) -> None:
        # Run directories first: if a run is found twice, its journal counts.
        ordered = sorted(changed, key=lambda item: (item.kind != "run", item.path))
        whole = sum(item.size for item in ordered)
        done = 0
        with ExitStack() as stack:
            if executor == "processes":
                much = whole > _WORTH_PROCESSES and isinstance(self.location, LocalLocation)
                chosen = stack.enter_context(_processes()) if much else None
            else:
                chosen = executor
            results = self._read_here(ordered, stack) if chosen is None else self._read_in(chosen, ordered)
            for batch, reads, part in results:
                self._index(batch, reads, part)
                done += sum(item.size for _, item in batch)
                self.report(done, whole)

    def _read_here(
        self, found: list[Found], stack: ExitStack
    ) -> Iterator[tuple[Numbered, list[FileResult], str]]:
        """Read in this process; a thread writes the parts at the same time."""
        writer = stack.enter_context(ThreadPoolExecutor(1))
        before: tuple[Numbered, list[FileResult], Future[str]] | None = None
        for batch in self._batches(found):
            read = read_batch(self.location, batch)
            if before:
                yield before[0], before[1], before[2].result()
            tables = self._without_copies(batch, read.results, read.tables)
            before = (batch, read.results, writer.submit(self.cache.add, tables))
        if before:
            yield before[0], before[1], before[2].result()

    def _read_in(
        self, executor: Executor, found: list[Found]
    ) -> Iterator[tuple[Numbered, list[FileResult], str]]:
        """Read in an executor, no further ahead than the results fit in memory."""
        waiting: deque[tuple[Numbered, Future[tuple[list[FileResult], dict[str, bytes]]]]] = deque()
        ahead = 2 * int(getattr(executor, "_max_workers", 0) or 8)
        batches = self._batches(found)
        while True:
            for batch in itertools.islice(batches, ahead - len(waiting)):
                waiting.append((batch, executor.submit(read_encoded, self.location, batch)))
            if not waiting:
                return
            batch, future = waiting.popleft()
            reads, parts = future.result()
            yield batch, reads, self.cache.add(self._without_copies(batch, reads, parts))

    def _batches(self, found: Iterable[Found]) -> Iterator[Numbered]:
        batch: Numbered = []
        size = 0
        for item in found:
            batch.append((self.index.number(), item))
            size += item.size
            if size >= _BATCH_BYTES or len(batch) >= _BATCH_FILES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _without_copies(
        self, batch: Numbered, reads: list[FileResult], tables: dict[str, Any]
    ) -> dict[str, Any]:
        """Leave out the rows of runs that already count, and of all but one record of a run in this batch."""
        best: dict[str, tuple[int, int]] = {}
        copies = []
        for (_, item), read in zip(batch, reads, strict=True):
            if read.kind not in _COUNTED:
                continue
            rank, other = self._rank(read.kind, item.path, read.run), self.counted.get(read.run)
            known = best.get(read.run) or (other and (self._rank(other.kind, other.path, other.run), 0))
            if known and known[0] <= rank:
                copies.append(read.source)
                continue
            if known:
                copies.append(known[1])
            best[read.run] = (rank, read.source)
        if not copies:
            return tables
        gone = pa.array(copies, pa.int64())
        opened = {
            name: pq.read_table(pa.BufferReader(table)) if isinstance(table, bytes) else table
            for name, table in tables.items()
        }
        return {
            name: table.filter(pc.invert(pc.is_in(table.column(FILE), gone)))
            for name, table in opened.items()
        }

    def _rank(self, kind: str, path: str, run: str) -> int:
        """Return which record of a run counts, the lowest first: a journal's, rather one in a directory of its name."""
        if kind == "notebook":
            return 2
        return int(directory_name(self.location, path) != run)

    def _index(self, batch: Numbered, reads: list[FileResult], part: str) -> None:
        for (_, item), read in zip(batch, reads, strict=True):
            entry = FileEntry(
                read.source,
                item.path,
                read.kind,
                item.size,
                item.mark,
                read.sha256,
                read.run,
                read.problem,
                part,
            )
            other = self.counted.get(read.run) if read.kind in _COUNTED else None
            if other is None:
                self._note(entry)
            elif self._rank(other.kind, other.path, other.run) <= self._rank(read.kind, item.path, read.run):
                self._note(self._as_copy(entry, other))
            else:
                self._note(self._as_copy(other, entry))
                self._note(entry)

    def _as_copy(self, entry: FileEntry, counted: FileEntry) -> FileEntry:
        return as_copy(entry, counted, directory_name(self.location, entry.path))


@contextmanager
def _processes() -> Iterator[Executor]:
    """Start processes that inherit nothing (a fork of a process with threads may hang) and ignore Ctrl-C."""
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    pool = ProcessPoolExecutor(os.cpu_count() or 1, mp_context=get_context("spawn"), initializer=ignore)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
