"""Rows on evidence that is there already: verifying a run, reading an archive. All of it is synthetic."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from benchmarks import archive_generator, verify
from benchmarks.row import Limit, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from benchmarks.delayed import RoundTrips
    from benchmarks.row import Prepare

__all__ = ["evidence_rows"]

_ARCHIVE = "python -m benchmarks.archive"
_CHAPTER_NOTEBOOK = 377_000  # bytes of an executed notebook of the chapter, on average
_PARSE, _SCRAPBOOK = "a bare parse with orjson", "scrapbook"
_SUMS = "sha256sum"
_MIB = 2**20


def evidence_rows(sizes: Mapping[str, int]) -> list[Row]:
    """Return the rows.

    Args:
        sizes: See `all_benchmarks.SIZES`.
    """
    commands, small, large, runs = (
        sizes[name] for name in ("verify", "notebooks", "notebooks-chapter", "archive")
    )
    return [
        Row(
            "verify",
            f"verify a run of {commands:,} commands",
            {
                "runbook": 'python -m benchmarks.verify "$WORK" runbook',
                _SUMS: 'python -m benchmarks.verify "$WORK" sha256sum',
                "hashlib, SHA-256 of the same files": 'python -m benchmarks.verify "$WORK" hashlib',
            },
            (Limit(_SUMS, 1.5),),
            _prepared(lambda work: verify.prepare(work, commands)),
        ),
        _notebooks("notebooks", f"first ingestion of {small:,} small notebooks", small, 71_000, 3.0),
        _notebooks(
            "notebooks-chapter",
            f"first ingestion of {large:,} notebooks as large as the chapter's",
            large,
            _CHAPTER_NOTEBOOK,
            2.0,
        ),
        Row(
            "archive",
            f"first ingestion of {runs:,} runs",
            {
                "runbook": f"{_ARCHIVE} ingest-once",
                "runbook, with nothing new": f"{_ARCHIVE} nothing-new",
                "runbook, failures per host": f"{_ARCHIVE} query",
            },
            (Limit("", 400 * _MIB, "memory"),),
            _prepared(lambda work: archive_generator.journals(work / "evidence", runs)),
        ),
    ]


def _notebooks(name: str, title: str, count: int, size: int, most: float) -> Row:
    return Row(
        name,
        title,
        {
            "runbook": f"{_ARCHIVE} ingest",
            _PARSE: f"{_ARCHIVE} orjson",
            _SCRAPBOOK: f"{_ARCHIVE} scrapbook",
        },
        (Limit(_PARSE, most), Limit(_SCRAPBOOK, 1 / 8)),
        _prepared(lambda work: archive_generator.notebooks(work / "evidence", count, size)),
    )


def _prepared(write: Callable[[Path], object]) -> Prepare:
    @contextlib.contextmanager
    def prepare(work: Path) -> Iterator[RoundTrips | None]:
        (work / "evidence").mkdir()
        write(work)
        yield None

    return prepare
