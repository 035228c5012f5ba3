# ruff: noqa: S608 - the SQL names our own tables
"""Measure how fast an archive of synthetic runs is read and answers queries: `python -m benchmarks.archive PROGRAM`.

`$WORK/evidence` has the evidence, which `archive_generator` wrote; a program that ingests writes to `$OUT/cache`.
"""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from benchmarks.measured import least, report
from runbook_lib.audit.archive.archive import Archive

if TYPE_CHECKING:
    from collections.abc import Callable

_FAILURES = """
SELECT host, count(*) AS failures FROM steps
WHERE status = 'failed' AND started >= TIMESTAMPTZ '2026-10-01' GROUP BY host ORDER BY failures DESC
"""
_TABLES = ("runs", "steps", "commands", "checks")
_TIMES = 3


def _ingest(evidence: Path, cache: Path) -> float:
    """Ingest everything as `runbook audit` does."""

    def forget() -> None:
        shutil.rmtree(cache, ignore_errors=True)

    seconds = least(lambda: Archive(evidence, cache=cache), _TIMES, forget)
    _check(Archive(evidence, cache=cache), evidence)
    return seconds


def _ingest_once(evidence: Path, cache: Path) -> float:
    """Ingest everything once, as an archive too large to do it often."""
    seconds = least(lambda: Archive(evidence, cache=cache, executor="processes"), 1)
    _check(Archive(evidence, cache=cache), evidence)
    return seconds


def _check(archive: Archive, evidence: Path) -> None:
    """Refuse a measurement of runs that are not all in the archive."""
    rows = {name: archive.query(f"SELECT count(*) AS n FROM {name}").to_pylist()[0]["n"] for name in _TABLES}
    if rows["runs"] != len(list(evidence.iterdir())) or not rows["commands"]:
        sys.exit(f"the archive has {rows}, for {len(list(evidence.iterdir()))} runs")


def _nothing_new(evidence: Path, cache: Path) -> float:
    Archive(evidence, cache=cache)
    return least(lambda: Archive(evidence, cache=cache), _TIMES)


def _query(evidence: Path, cache: Path) -> float:
    """Ask for the failures per host in the last month."""
    archive = Archive(evidence, cache=cache)
    return least(lambda: archive.query(_FAILURES), _TIMES)


def _parse(evidence: Path, _: Path) -> float:
    """Parse each notebook, and nothing else."""

    def parse() -> None:
        for file in sorted(evidence.iterdir()):
            orjson.loads(file.read_bytes())

    return least(parse, _TIMES)


def _scrapbook(evidence: Path, _: Path) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from scrapbook's own dependencies
        import scrapbook  # noqa: PLC0415 - the peer, seconds to load

        return least(lambda: scrapbook.read_notebooks(str(evidence)), 1)


_PROGRAMS: dict[str, Callable[[Path, Path], float]] = {
    "ingest": _ingest,
    "ingest-once": _ingest_once,
    "nothing-new": _nothing_new,
    "query": _query,
    "orjson": _parse,
    "scrapbook": _scrapbook,
}


if __name__ == "__main__":
    report(_PROGRAMS[sys.argv[1]](Path(os.environ["WORK"], "evidence"), Path(os.environ["OUT"], "cache")))
