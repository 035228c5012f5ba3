"""Read a batch of files into the four tables: what happens in a worker, on this machine or another.

Whatever a file holds, it leaves a row: a sound run, a foreign notebook, or what is wrong with it.
"""

from __future__ import annotations

import gc
import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from runbook_lib.audit.archive.arrow_rows import Rows
from runbook_lib.audit.archive.journal_rows import UNUSUAL, Unusual, rows_of_journal
from runbook_lib.audit.archive.notebook_rows import foreign, rows_of_notebook
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.notebook_records import read_notebook
from runbook_lib.evidence.reader import build_record, read_lines
from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.model.status import Status
from runbook_lib.report.columns import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runbook_lib.audit.archive.location import Found, Place
    from runbook_lib.model.records import RunRecord

__all__ = ["Batch", "Read", "parquet", "read_batch", "read_encoded"]

_NO_TABLE = (*UNUSUAL, OverflowError, pa.ArrowException)


class Read(NamedTuple):
    """What a file turned out to be.

    Args:
        source: Its number in the index.
        kind: `run`, `notebook`, `foreign` or `damaged`.
        run: The run's id; its path where it is none of ours.
        sha256: Of its content; empty where that could not be read.
        problem: What is missing or wrong; empty when the evidence is whole.
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
    """What was read: one entry a file, and the four tables."""

    reads: list[Read]
    tables: dict[str, pa.Table]


def read_batch(place: Place, found: Sequence[tuple[int, Found]]) -> Batch:
    """Read some files.

    Args:
        place: Where they lie.
        found: Each with its number.
    """
    reads, hashes, whole = [], [], Rows()
    with _no_collection(), ThreadPoolExecutor(1) as beside:
        for source, file in found:
            content = _load(place, file)
            hashes.append(beside.submit(_hash, content))
            read, rows = _read(source, file, content)
            reads.append(read)
            whole.add(rows)
        try:
            tables = whole.tables()
        except _NO_TABLE:
            return _one_by_one(place, found)
    told = [read._replace(sha256=digest.result()) for read, digest in zip(reads, hashes, strict=True)]
    return Batch(told, tables)


def _hash(content: _Content) -> str:
    return "" if content.problem else hashlib.sha256(content.data).hexdigest()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Spare the garbage collector: what JSON makes holds no cycles, and it would look through all of it."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def read_encoded(place: Place, found: Sequence[tuple[int, Found]]) -> tuple[list[Read], dict[str, bytes]]:
    """Read some files in a worker, on this machine or another; return the tables as Parquet."""
    batch = read_batch(place, found)
    return batch.reads, {name: parquet(table) for name, table in batch.tables.items()}


def parquet(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="lz4", use_dictionary=False, write_statistics=False)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return] # pyarrow is untyped


def _one_by_one(place: Place, found: Sequence[tuple[int, Found]]) -> Batch:
    """Read files of which one holds a value that its column does not take."""
    reads, tables = [], []
    for source, file in found:
        content = _load(place, file)
        read, rows = _read(source, file, content)
        try:
            told = rows.tables()
        except _NO_TABLE:
            read, rows = _read(source, file, content, slowly=True)
            try:
                told = rows.tables()
            except _NO_TABLE as problem:
                read, rows = _damaged(source, file, f"holds a value of a wrong type: {problem}")
                told = rows.tables()
        reads.append(read._replace(sha256=_hash(content)))
        tables.append(told)
    return Batch(reads, {name: pa.concat_tables([told[name] for told in tables]) for name in TABLES})


def _load(place: Place, file: Found) -> _Content:
    if file.kind == "trouble":
        return _Content(problem=file.problem)
    try:
        data = place.read(file.file)
    except OSError as problem:
        return _Content(problem=f"cannot be read: {problem.strerror or problem}")
    return _Content(data)


def _read(source: int, file: Found, content: _Content, *, slowly: bool = False) -> tuple[Read, Rows]:
    if content.problem:
        return _damaged(source, file, content.problem)
    try:
        if not slowly:
            return _quickly(source, file, content.data)
    except UNUSUAL:
        pass
    return _with_care(source, file, content.data)


def _quickly(source: int, file: Found, data: bytes) -> tuple[Read, Rows]:
    rows = Rows()
    if file.kind == "run":
        run: str | None = rows_of_journal(rows, source, data)
    else:
        run = rows_of_notebook(rows, source, data)
    if run is not None:
        return Read(source, file.kind, run, "", _problem(rows)), rows
    told = foreign(file.path, data)
    if told is None:
        raise Unusual("no notebook")
    rows.run(source, told)
    return Read(source, "foreign", file.path, "", _problem(rows)), rows


def _with_care(source: int, file: Found, data: bytes) -> tuple[Read, Rows]:
    """Read with the readers that can say what is wrong."""
    rows = Rows()
    try:
        record = _of_journal(data) if file.kind == "run" else read_notebook(data, Path(file.path))
        _take(rows, source, record)
    except EvidenceError as problem:
        return _damaged(source, file, problem.message)
    except UNUSUAL as problem:
        why = f"holds something that cannot be understood: {type(problem).__name__}: {problem}"
        return _damaged(source, file, why)
    return Read(source, file.kind, record.run, "", record.incomplete), rows


def _of_journal(data: bytes) -> RunRecord:
    lines = read_lines(data)
    if not lines.entries or lines.entries[0].get("event") != "run_started":
        why = lines.problem or "it does not begin with the start of a run"
        raise EvidenceError(f"is no runbook journal: {why}")
    return build_record(lines)


def _take(rows: Rows, source: int, record: RunRecord) -> None:
    told = _encodable(record.model_dump(mode="json"))
    for step in told["steps"]:
        for host in step["hosts"]:
            rows.host((source, told["run"], step["number"], host["host"]), step, host, host["commands"])
    rows.run(source, told | {"steps": len(told["steps"])})


def _encodable(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Replace halves of characters, which JSON can hold and UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return value


def _damaged(source: int, file: Found, problem: str) -> tuple[Read, Rows]:
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
    return Read(source, "damaged", path, "", why), rows


_LONGEST = 500  # characters of a problem


def _problem(rows: Rows) -> str:
    return str(rows.of["runs"][0][-2])
