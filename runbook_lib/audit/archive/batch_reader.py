"""Read a batch of files into the four tables: what runs in a worker, on this machine or another.

Whatever a file contains, it leaves a row: a sound run, a foreign notebook, or what is wrong with it.
"""

from __future__ import annotations

import gc
import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from runbook_lib.audit.archive.arrow_rows import Rows
from runbook_lib.audit.archive.journal_rows import UNUSUAL, rows_of_journal
from runbook_lib.audit.archive.notebook_rows import foreign_run, rows_of_notebook
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.evidence.notebook_records import record_of_notebook
from runbook_lib.evidence.reader import build_record, read_lines
from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.model.status import Status
from runbook_lib.report.columns import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runbook_lib.audit.archive.location import Found, Location
    from runbook_lib.model.records import RunRecord

__all__ = ["Batch", "FileResult", "parquet", "read_batch", "read_encoded"]

_NO_TABLE = (*UNUSUAL, OverflowError, pa.ArrowException)
_LONGEST = 500  # characters of a problem


class FileResult(NamedTuple):
    """What a file turned out to be.

    Args:
        source: Its number in the index.
        kind: `run`, `notebook`, `foreign` or `damaged`.
        run: The run's id; for a foreign or damaged file, its path.
        sha256: Of its content; empty if that could not be read.
        problem: What is missing or wrong; empty if the evidence is complete.
    """

    source: int
    kind: str
    run: str
    sha256: str
    problem: str


class _Content(NamedTuple):
    data: bytes = b""
    problem: str = ""


@dataclass(frozen=True)
class Batch:
    """What was read: one result per file, and the four tables."""

    results: list[FileResult]
    tables: dict[str, pa.Table]


def read_batch(location: Location, found: Sequence[tuple[int, Found]]) -> Batch:
    """Read some files.

    Args:
        location: The archive they belong to.
        found: Each file with its number.
    """
    results, hashes, whole = [], [], Rows()
    with _no_collection(), ThreadPoolExecutor(1) as hasher:
        for source, file in found:
            content = _load(location, file)
            hashes.append(hasher.submit(_hash, content))
            result, rows = _read(source, file, content)
            results.append(result)
            whole.add(rows)
        try:
            tables = whole.tables()
        except _NO_TABLE:
            return _one_by_one(location, found)
    hashed = [result._replace(sha256=digest.result()) for result, digest in zip(results, hashes, strict=True)]
    return Batch(hashed, tables)


def _hash(content: _Content) -> str:
    return "" if content.problem else hashlib.sha256(content.data).hexdigest()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Pause the garbage collector: parsed JSON has no cycles, and the collector would walk over all of it."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def read_encoded(
    location: Location, found: Sequence[tuple[int, Found]]
) -> tuple[list[FileResult], dict[str, bytes]]:
    """Read some files in a worker, on this machine or another; return the tables as Parquet."""
    batch = read_batch(location, found)
    return batch.results, {name: parquet(table) for name, table in batch.tables.items()}


def parquet(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="lz4", use_dictionary=False, write_statistics=False)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return] # pyarrow is untyped


def _one_by_one(location: Location, found: Sequence[tuple[int, Found]]) -> Batch:
    """Read files of which one has a value that does not fit the type of its column."""
    results, parts = [], []
    for source, file in found:
        content = _load(location, file)
        result, rows = _read(source, file, content)
        try:
            tables = rows.tables()
        except _NO_TABLE:
            result, rows = _read(source, file, content, carefully=True)
            try:
                tables = rows.tables()
            except _NO_TABLE as problem:
                result, rows = _damaged(source, file, f"contains a value of a wrong type: {problem}")
                tables = rows.tables()
        results.append(result._replace(sha256=_hash(content)))
        parts.append(tables)
    return Batch(results, {name: pa.concat_tables([tables[name] for tables in parts]) for name in TABLES})


def _load(location: Location, file: Found) -> _Content:
    if file.kind == "trouble":
        return _Content(problem=file.problem)
    try:
        data = location.read(file.file)
    except OSError as problem:
        return _Content(problem=f"cannot be read: {problem.strerror or problem}")
    return _Content(data)


def _read(source: int, file: Found, content: _Content, *, carefully: bool = False) -> tuple[FileResult, Rows]:
    if content.problem:
        return _damaged(source, file, content.problem)
    try:
        if not carefully:
            return _quickly(source, file, content.data)
    except UNUSUAL:
        pass
    return _carefully(source, file, content.data)


def _quickly(source: int, file: Found, data: bytes) -> tuple[FileResult, Rows]:
    rows = Rows()
    if file.kind == "run":
        run = rows_of_journal(rows, source, data)
        return FileResult(source, "run", run, "", _problem(rows)), rows
    notebook = Notebook.parse(data, file.path)
    id_ = rows_of_notebook(rows, source, notebook)
    if id_ is not None:
        return FileResult(source, "notebook", id_, "", _problem(rows)), rows
    rows.run(source, foreign_run(file.path, notebook))
    return FileResult(source, "foreign", file.path, "", _problem(rows)), rows


def _carefully(source: int, file: Found, data: bytes) -> tuple[FileResult, Rows]:
    """Read with the readers that can say what is wrong."""
    rows = Rows()
    try:
        if file.kind == "run":
            record = build_record(read_lines(data))
        else:
            record = record_of_notebook(Notebook.parse(data, file.path))
        _add_record(rows, source, record)
    except EvidenceError as problem:
        return _damaged(source, file, problem.message)
    except UNUSUAL as problem:
        why = f"contains something that cannot be interpreted: {type(problem).__name__}: {problem}"
        return _damaged(source, file, why)
    return FileResult(source, file.kind, record.run, "", record.incomplete), rows


def _add_record(rows: Rows, source: int, record: RunRecord) -> None:
    run = _encodable(record.model_dump(mode="json"))
    for step in run["steps"]:
        for host in step["hosts"]:
            rows.host((source, run["run"], step["number"], host["host"]), step, host, host["commands"])
    rows.run(source, run | {"steps": len(run["steps"])})


def _encodable(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Replace halves of characters, which JSON can hold and UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return value


def _damaged(source: int, file: Found, problem: str) -> tuple[FileResult, Rows]:
    rows = Rows()
    short = problem if len(problem) <= _LONGEST else problem[:_LONGEST] + " …"
    path, why = _encodable(file.path), _encodable(short)
    texts = dict.fromkeys(("runbook", "title", "mode", "operator", "machine", "inventory", "on_failure"), "")
    rows.run(
        source,
        texts
        | {"run": path, "status": Status.UNKNOWN.value, "started": None, "ended": None, "lab": None}
        | {"hosts": [], "steps": 0, "parameters": {}, "versions": {}, "source": {}}
        | {"incomplete": why, "schema_version": SCHEMA_VERSION},
    )
    return FileResult(source, "damaged", path, "", why), rows


def _problem(rows: Rows) -> str:
    return str(rows.of["runs"][0][-2])
