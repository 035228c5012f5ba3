"""Read a batch of files into the four tables: what runs in a worker, on this machine or another.

Whatever a file contains, it leaves a row: a sound run, a foreign notebook, or what is wrong with it.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from runbook_lib.audit.archive import defaults
from runbook_lib.audit.archive.journal_rows import UNUSUAL, run_of_journal
from runbook_lib.audit.archive.notebook_rows import foreign_run, run_of_notebook
from runbook_lib.audit.lost_lines import LOST, lost_lines
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.journal_view import NO_JOURNAL_END, JournalView
from runbook_lib.evidence.judgement import judge_run, with_judgement
from runbook_lib.evidence.layout import JOURNAL, NOTEBOOK
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.evidence.notebook_records import record_of_notebook
from runbook_lib.evidence.reader import build_record
from runbook_lib.garbage_collection import paused_gc
from runbook_lib.model.status import Status
from runbook_lib.report.arrow_rows import Rows, encodable
from runbook_lib.report.table_columns import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from runbook_lib.audit.archive.location import Found, Location

__all__ = [
    "ANOTHER_NAME",
    "Batch",
    "FileResult",
    "directory_name",
    "parquet",
    "read_batch",
    "read_encoded",
]

ANOTHER_NAME = "the directory has another run's name"
"""The problem of a run whose directory is not called as its journal says."""
_NO_TABLE = (*UNUSUAL, OverflowError, pa.ArrowException)
_LONGEST = 500  # characters of a problem
_LONGEST_ID = 100  # characters of an id in a message
_LARGE = 256 * 1024
"""Bytes from which a second thread hashes a file: for fewer, handing them over takes longer than hashing them."""
_TOGETHER = 8
"""Files whose rows are added together."""

Payload = dict[str, Any]
Numbered = tuple[int, "Found"]


class FileResult(NamedTuple):
    """What a file turned out to be.

    Args:
        source: Its number in the index.
        kind: `run`, `notebook`, `foreign` or `damaged`.
        run: The run's id; for a foreign or damaged file, its path: the journal's, where a run directory is damaged.
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


def read_batch(location: Location, found: Sequence[Numbered]) -> Batch:
    """Read some files.

    Args:
        location: The archive they belong to.
        found: Each file with its number.
    """
    results, digests, rows = [], [], Rows()
    with paused_gc(), ThreadPoolExecutor(1) as hasher:
        for start in range(0, len(found), _TOGETHER):
            loaded, read = [], []
            for source, file in found[start : start + _TOGETHER]:
                content = _load(location, file)
                digests.append(_begin_hash(content, hasher))
                loaded.append((source, file, content))
                read.append(_read(location, source, file, content))
            try:
                rows.add_all([(result.source, run) for result, run in read])
                results += [result for result, _ in read]
            except UNUSUAL:  # one of them: each is added by itself
                results += [_add_rows(location, *one, rows) for one in loaded]
        try:
            tables = rows.tables()
        except _NO_TABLE:
            return _one_by_one(location, found)
    hashed = [result._replace(sha256=digest()) for result, digest in zip(results, digests, strict=True)]
    return Batch(hashed, tables)


def _begin_hash(content: _Content, hasher: Executor) -> Callable[[], str]:
    """Return a function that returns the SHA-256 of a file's content."""
    if len(content.data) >= _LARGE:
        return hasher.submit(_hash, content).result
    digest = _hash(content)
    return lambda: digest


def _hash(content: _Content) -> str:
    return "" if content.problem else hashlib.sha256(content.data).hexdigest()


def _add_rows(location: Location, source: int, file: Found, content: _Content, rows: Rows) -> FileResult:
    result, run = _read(location, source, file, content)
    try:
        rows.add(run, source)
    except UNUSUAL:
        result, run = _read(location, source, file, content, carefully=True)
        rows.add(run, source)
    return result


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


def _one_by_one(location: Location, found: Sequence[Numbered]) -> Batch:
    """Read files of which one has a value that does not fit the type of its column."""
    results, parts = [], []
    for source, file in found:
        content = _load(location, file)
        result, run = _read(location, source, file, content)
        try:
            tables = _tables(source, run)
        except _NO_TABLE:
            result, run = _read(location, source, file, content, carefully=True)
            try:
                tables = _tables(source, run)
            except _NO_TABLE as problem:
                result, run = _damaged(source, file, f"contains a value of a wrong type: {problem}")
                tables = _tables(source, run)
        results.append(result._replace(sha256=_hash(content)))
        parts.append(tables)
    return Batch(results, {name: pa.concat_tables([tables[name] for tables in parts]) for name in TABLES})


def _tables(source: int, run: Payload) -> dict[str, pa.Table]:
    rows = Rows()
    rows.add(run, source)
    return rows.tables()


def _load(location: Location, file: Found) -> _Content:
    if file.kind == "trouble":
        return _Content(problem=file.problem)
    try:
        data = location.read(file.file)
    except OSError as problem:
        return _Content(problem=f"cannot be read: {problem.strerror or problem}")
    return _Content(data)


def _read(
    location: Location, source: int, file: Found, content: _Content, *, carefully: bool = False
) -> tuple[FileResult, Payload]:
    """Return what a file turned out to be, and its run, as `RunRecord` in JSON."""
    if content.problem:
        return _damaged(source, file, content.problem)
    try:
        if not carefully:
            return _quickly(location, source, file, content.data)
    except UNUSUAL:
        pass
    return _carefully(location, source, file, content.data)


def _quickly(location: Location, source: int, file: Found, data: bytes) -> tuple[FileResult, Payload]:
    if file.kind == "run":
        run = run_of_journal(data)
        _check_id(run["run"])
        return _result(source, "run", *_judged(location, file, run, data))
    notebook = Notebook.parse(data, file.path)
    embedded = run_of_notebook(notebook)
    if embedded is not None:
        _check_id(embedded["run"])
        return _result(source, "notebook", embedded)
    return _result(source, "foreign", encodable(foreign_run(file.path, notebook)))


def _check_id(run: str) -> None:
    """Refuse an id that a foreign or damaged file has in the tables, where each file has an id of its own."""
    if run.endswith((".ipynb", f"/{JOURNAL}")):
        raise EvidenceError(f"has an id that is the path of a file: {run[:_LONGEST_ID]!r}")


def _judged(location: Location, file: Found, run: Payload, journal: bytes) -> tuple[Payload, str]:
    """Return a run with the status that the judge gives it, and what in its directory contradicts its journal.

    As `judgement.judged_record` does for one run directory; nothing makes `unknown` worse.
    """
    broken = [] if run["run"] == directory_name(location, file.path) else [ANOTHER_NAME]
    if run["incomplete"] == NO_JOURNAL_END:
        return {**run, "incomplete": _why_no_end(location, file, journal)}, "; ".join(broken)
    if run["status"] == Status.UNKNOWN:
        return run, "; ".join(broken)
    notebook = None
    try:
        data = location.read(file.notebook)
        notebook = Notebook.parse(data, file.notebook)
    except FileNotFoundError:
        pass
    except (OSError, EvidenceError) as problem:
        broken.append(f"{NOTEBOOK} cannot be read: {problem}")
    judgement = judge_run(run["run"], run["status"], notebook, broken=broken)
    if judgement.status == run["status"]:
        return run, "; ".join(broken)
    reasons = "; ".join(filter(None, (run.get("message"), *judgement.problems)))
    return {**run, "status": judgement.status.value, "message": reasons}, "; ".join(broken)


def _why_no_end(location: Location, file: Found, journal: bytes) -> str:
    """Return what a journal without an end lacks: what else there is of the run may prove that it had more lines."""
    view = JournalView.of(read_lines(journal))
    proofs = lost_lines(view, journal, lambda name: location.read(f"{file.path}/{name}"))
    try:
        if not proofs or location.read(file.file) != journal:  # the run is still running
            return NO_JOURNAL_END
    except OSError:
        return NO_JOURNAL_END
    return f"{LOST}: {'; '.join(proofs)}"


def directory_name(location: Location, path: str) -> str:
    """Return the name of a run's directory; of an archive that is a run itself, that of the archive.

    Args:
        location: The archive.
        path: The run directory's path in it.
    """
    return (location.name if path == "." else path).rstrip("/").rpartition("/")[2]


def _result(source: int, kind: str, run: Payload, broken: str = "") -> tuple[FileResult, Payload]:
    problem = "; ".join(filter(None, (broken, run["incomplete"])))
    return FileResult(source, kind, run["run"], "", problem), run


def _carefully(location: Location, source: int, file: Found, data: bytes) -> tuple[FileResult, Payload]:
    """Read with the readers that can say what is wrong."""
    broken = ""
    try:
        if file.kind == "run":
            record = build_record(read_lines(data))
            judged, broken = _judged(
                location,
                file,
                record.model_dump(mode="json", include={"run", "status", "message", "incomplete"}),
                data,
            )
            record = record.model_copy(update={**judged, "status": Status(judged["status"])})
        else:
            notebook = Notebook.parse(data, file.path)
            record = with_judgement(record_of_notebook(notebook), notebook)
        _check_id(record.run)
        run = encodable(record.model_dump(mode="json"))
        Rows().add(run)  # the caller relies on it that rows can be made of the run
        return _result(source, file.kind, run, encodable(broken))
    except EvidenceError as problem:
        return _damaged(source, file, problem.message)
    except UNUSUAL as problem:
        why = f"contains something that cannot be interpreted: {type(problem).__name__}: {problem}"
        return _damaged(source, file, why)


def _damaged(source: int, file: Found, problem: str) -> tuple[FileResult, Payload]:
    short = problem if len(problem) <= _LONGEST else problem[:_LONGEST] + " …"
    # The path of a run directory may be the id of a run that is sound elsewhere in the archive.
    name = file.path if file.kind != "run" and file.path.endswith(".ipynb") else f"{file.path}/{JOURNAL}"
    run = {**defaults.RUN, "run": name, "runbook": "", "incomplete": short}
    return _result(source, "damaged", encodable(run))
