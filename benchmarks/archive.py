# ruff: noqa: S608 - the SQL names our own tables
"""Measure how fast an archive of synthetic runs is read and answers queries, in turns with its peers.

python benchmarks/archive.py notebooks            1,000 executed notebooks, 71 MB
python benchmarks/archive.py runs 10000 30000     run directories with 50 step records each
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import platform
import resource
import shutil
import sys
import tempfile
import threading
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import archive_generator as synthetic
from runbook_lib.audit.archive.archive import Archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_QUERY = """
SELECT host, count(*) AS failures FROM steps
WHERE status = 'failed' AND started >= TIMESTAMPTZ '2026-10-01' GROUP BY host ORDER BY failures DESC
"""
_TIMES = 5


def main(arguments: list[str]) -> None:
    """Measure what the command line asks for."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    machine = f"{platform.processor() or platform.machine()}, {multiprocessing.cpu_count()} cores"
    _print(f"synthetic runs; Python {platform.python_version()}, {machine}")
    if arguments[:1] == ["notebooks"]:
        _notebooks(int(arguments[1]) if len(arguments) > 1 else 1000)
    elif arguments[:1] == ["runs"]:
        for count in arguments[1:] or ["10000"]:
            _runs(int(count))
    else:
        _print(__doc__ or "")


def _notebooks(count: int) -> None:
    with _directory() as top:
        evidence, cache = top / "evidence", top / "cache"
        evidence.mkdir()
        size = synthetic.notebooks(evidence, count)
        _print(f"{count} executed notebooks, {size / 1e6:.1f} MB, in the page cache")
        parse = _best(lambda: _parse(evidence))
        _print(f"  bare orjson parse        {parse:8.3f} s")
        first = _best(
            lambda: Archive(evidence, cache=cache), before=lambda: shutil.rmtree(cache, ignore_errors=True)
        )
        _print(f"  first ingestion          {first:8.3f} s   {first / parse:.2f} x the parse (target: 2.0)")
        again = _best(lambda: Archive(evidence, cache=cache))
        _print(f"  nothing new              {again:8.3f} s   {again / first:.1%} of the first (target: 5 %)")
        scrapbook = _scrapbook(evidence)
        _print(f"  scrapbook read_notebooks {scrapbook:8.3f} s   {scrapbook / first:.0f} x ours (target: 50)")


def _parse(evidence: Path) -> None:
    for file in sorted(evidence.iterdir()):
        orjson.loads(file.read_bytes())


def _scrapbook(evidence: Path) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from scrapbook's own dependencies
        import scrapbook  # noqa: PLC0415 - the peer, seconds to load

        began = time.perf_counter()
        scrapbook.read_notebooks(str(evidence))
        return time.perf_counter() - began


def _runs(count: int) -> None:
    with _directory() as top:
        evidence, cache = top / "evidence", top / "cache"
        size = synthetic.journals(evidence, count)
        _print(f"{count} run directories, {size / 1e6:.0f} MB of journals")
        with _peak() as most:
            began = time.perf_counter()
            archive = Archive(evidence, cache=cache, executor="processes")
            first = time.perf_counter() - began
        rows = {name: archive.query(f"SELECT count(*) AS n FROM {name}").to_pylist()[0]["n"] for name in
                ("runs", "steps", "commands", "checks")}  # fmt: skip
        _print(f"  rows                     {rows}")
        _print(f"  first ingestion          {first:8.2f} s   {first / count * 1000:.2f} ms per run")
        _print(f"  peak memory              {most():8.0f} MiB  of all its processes (target: 500)")
        again = _best(lambda: Archive(evidence, cache=cache), times=2)
        _print(f"  nothing new              {again:8.2f} s   {again / first:.1%} of the first")
        asked = _best(lambda: archive.query(_QUERY))
        _print(f"  failures per host        {asked:8.3f} s   last month (target: 1)")
        kept = sum(file.stat().st_size for file in cache.rglob("*.parquet"))
        _print(f"  cache                    {kept / 1e6:8.0f} MB")


@contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="runbook-benchmark-") as name:
        yield Path(name)


def _best(
    work: Callable[[], object], times: int = _TIMES, before: Callable[[], object] | None = None
) -> float:
    """Return the shortest of several times, in seconds: other programs use the machine too."""
    taken = []
    for _ in range(times):
        if before:
            before()
        gc.collect()
        began = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - began)
        del result
    return min(taken)


@contextmanager
def _peak() -> Iterator[Callable[[], float]]:
    """Sample the memory that this process and its children use together; yield the maximum so far, in MiB."""
    own, most, done = psutil.Process(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            held = 0
            for process in (own, *own.children(recursive=True)):
                try:
                    held += process.memory_full_info().pss  # pages that several share count once
                except psutil.NoSuchProcess:
                    continue
            most[0] = max(most[0], held / 2**20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: most[0] or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    finally:
        done.set()
        watcher.join()


def _print(text: str) -> None:
    logging.getLogger("benchmark").info("%s", text)


if __name__ == "__main__":
    main(sys.argv[1:])
