"""An archive as tables: equal to reading run by run, brought up to date, and no file is lost whatever it contains."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

import fsspec
import pandas as pd
import pytest

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.archive.location import RemoteLocation
from runbook_lib.errors import InputError
from runbook_lib.evidence.chain import FIRST, chain, seal
from runbook_lib.evidence.judgement import EXECUTION
from runbook_lib.evidence.lookup import read_run
from runbook_lib.report.data_frames import tables
from tests.audit.archive.rows import of, some_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = ("run", "step", "host", "position")


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values([key for key in KEYS if key in frame]).reset_index(drop=True)


def test_the_tables_are_those_of_the_slow_and_careful_readers(archive: Archive, evidence: Path) -> None:
    paths = [*(evidence / "runs").iterdir(), evidence / "loose" / "out.ipynb"]
    careful = tables([read_run(path) for path in paths]).by_name()
    for name, frame in archive.tables().by_name().items():
        assert len(frame)
        pd.testing.assert_frame_equal(ordered(frame), ordered(careful[name]))


def test_nothing_new_is_not_read_again_and_one_new_run_alone_is(
    copied: Path, opened: Callable[[Path], Archive]
) -> None:
    first = opened(copied).ingestion
    assert first is not None
    assert (first.files, first.read) == (4, 4)
    again = opened(copied).ingestion
    assert again is not None
    assert (again.files, again.read) == (4, 0)
    gone = some_run(copied)
    shutil.move(gone, copied.parent / gone.name)
    less = opened(copied)
    assert less.ingestion is not None
    assert (less.ingestion.read, less.ingestion.gone) == (0, 1)
    assert gone.name not in set(less.steps["run"]) | set(less.runs["run"]) | set(less.commands["run"])
    shutil.move(copied.parent / gone.name, gone)
    back = opened(copied)
    assert back.ingestion is not None
    assert back.ingestion.read == 1
    assert gone.name in set(back.runs["run"])


def test_many_small_parts_become_one_and_no_row_is_lost(
    copied: Path, tmp_path: Path, opened: Callable[[Path], Archive]
) -> None:
    notebook = (copied / "loose" / "out.ipynb").read_text(encoding="utf-8")
    (run,) = opened(copied).query("SELECT run FROM files WHERE kind = 'notebook'").column("run").to_pylist()
    for number in range(20):
        (copied / "loose" / f"{number}.ipynb").write_text(
            notebook.replace(run, f"{run}{number}"), encoding="utf-8"
        )
        archive = opened(copied)
    assert len(archive.runs) == 24
    copies = archive.steps[archive.steps["run"].str.startswith(run)]
    assert copies.groupby("run").size().to_list() == [len(copies) // 21] * 21
    assert not archive.commands.duplicated(list(KEYS)).any()
    last = {path.name for path in (tmp_path / "cache").rglob("runs-*.parquet")}
    assert len(last) < 20


def test_a_notebook_that_was_only_moved_or_touched_keeps_its_rows_and_a_run_is_judged_again(
    copied: Path, opened: Callable[[Path], Archive]
) -> None:
    before = opened(copied)
    os.utime(copied / "loose" / "out.ipynb", ns=(1, 1))
    (copied / "older").mkdir()
    shutil.move(copied / "loose" / "out.ipynb", copied / "older" / "other.ipynb")
    moved = opened(copied)
    assert moved.ingestion is not None
    assert moved.ingestion.read == 0
    assert of(moved, "older/other.ipynb")["kind"] == "notebook"
    run = some_run(copied)
    shutil.move(run, copied / "older" / run.name)
    after = opened(copied)
    assert after.ingestion is not None
    assert after.ingestion.read == 1
    assert of(after, f"older/{run.name}")["kind"] == "run"
    pd.testing.assert_frame_equal(ordered(before.commands), ordered(after.commands))


@pytest.mark.parametrize("what", ["renamed", "another notebook", "no longer a notebook"])
def test_a_run_that_was_moved_has_the_verdict_of_what_is_there_now(
    what: str, copied: Path, tmp_path: Path, opened: Callable[[Path], Archive]
) -> None:
    known = opened(copied).runs
    run = next(
        copied / "runs" / name
        for name in known["run"][known["status"] == "changed"]
        if (copied / "runs" / name).is_dir()
    )
    moved = run.with_name(f"{run.name}0") if what == "renamed" else copied / "older" / run.name
    moved.parent.mkdir(exist_ok=True)
    run.rename(moved)
    if what == "another notebook":
        ended = {EXECUTION: {"ended": "kernel died", "problem": "out of memory"}}
        content = {"cells": [], "metadata": ended, "nbformat": 4, "nbformat_minor": 5}
        (moved / "notebook.ipynb").write_text(json.dumps(content), encoding="utf-8")
    elif what == "no longer a notebook":
        (moved / "notebook.ipynb").write_bytes(b"{}")
    warm, cold = opened(copied), Archive(copied, cache=tmp_path / "cold")
    verdicts = [archive.runs.set_index("run")["status"].to_dict() for archive in (warm, cold)]
    assert verdicts[0] == verdicts[1]
    assert verdicts[0][run.name] == "unknown"


def test_if_a_run_is_found_twice_its_journal_counts_and_the_copy_is_listed(
    copied: Path, opened: Callable[[Path], Archive]
) -> None:
    before = len(opened(copied).steps)
    run = some_run(copied)
    shutil.copytree(run, copied / "zz" / run.name)
    both = opened(copied)
    assert len(both.steps) == before
    file = of(both, f"zz/{run.name}")
    assert file["kind"] == "copy"
    assert f"the one that counts: runs/{run.name}" in file["problem"]
    shutil.rmtree(run)
    alone = opened(copied)
    assert len(alone.steps) == before
    assert of(alone, f"zz/{run.name}")["kind"] == "run"


def test_an_output_of_100_megabytes_is_read(copied: Path, opened: Callable[[Path], Archive]) -> None:
    notebook = json.loads((copied / "loose" / "out.ipynb").read_text(encoding="utf-8"))
    notebook["cells"][0]["outputs"].append(
        {"output_type": "stream", "name": "stdout", "text": "x" * 100_000_000}
    )
    (copied / "loose" / "out.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    assert of(opened(copied), "loose/out.ipynb")["kind"] == "notebook"


def test_clocks_that_go_backwards_give_negative_durations_and_lose_nothing(
    copied: Path, opened: Callable[[Path], Archive]
) -> None:
    run = some_run(copied)
    lines, previous = [], FIRST
    for line in (run / "journal.jsonl").read_bytes().splitlines():
        entry = json.loads(line)
        entry.pop("seal")
        entry["previous"] = previous
        if entry["event"] == "host_ended":
            entry["ended"] = "2020-01-01T00:00:00+00:00"
        sealed = seal(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())
        previous = chain(sealed)
        lines.append(sealed)
    (run / "journal.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    archive = opened(copied)
    steps = archive.steps[archive.steps["run"] == run.name]
    assert (steps["duration"] < 0).all()
    assert of(archive, f"runs/{run.name}")["problem"] == ""


def test_processes_that_read_at_the_same_time_do_not_disturb_each_other(
    copied: Path, opened: Callable[[Path], Archive]
) -> None:
    archives: list[Archive] = []
    readers = [threading.Thread(target=lambda: archives.append(opened(copied))) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert [len(archive.runs) for archive in archives] == [4] * 4
    assert sorted(archive.ingestion.read for archive in archives if archive.ingestion) == [0, 0, 0, 4]


def test_other_processes_can_read(copied: Path, tmp_path: Path, archive: Archive) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        other = Archive(copied, cache=tmp_path / "cache", executor=pool)
    pd.testing.assert_frame_equal(ordered(other.commands), ordered(archive.commands))


def test_dask_can_read(copied: Path, tmp_path: Path, archive: Archive) -> None:
    from distributed import Client  # noqa: PLC0415 - seconds to load

    any_port = {"dashboard_address": "127.0.0.1:0"}  # another cluster on this machine may have the usual one
    with Client(  # type: ignore[no-untyped-call]
        processes=False,
        n_workers=1,
        threads_per_worker=1,
        dashboard_address=None,
        scheduler_kwargs=any_port,
    ) as client:
        other = Archive(copied, cache=tmp_path / "cache", executor=client.get_executor())
    pd.testing.assert_frame_equal(ordered(other.checks), ordered(archive.checks))


def test_an_address_that_fsspec_knows_is_an_archive_too(
    evidence: Path, tmp_path: Path, archive: Archive
) -> None:
    files = fsspec.filesystem("memory")
    files.put(str(evidence), "/bucket/archive", recursive=True)
    other = Archive("memory://bucket/archive", cache=tmp_path / "cache")
    pd.testing.assert_frame_equal(ordered(other.steps), ordered(archive.steps))
    again = Archive("memory://bucket/archive", cache=tmp_path / "cache").ingestion
    assert again is not None
    assert again.read == 0
    assert isinstance(other.location, RemoteLocation)


def test_a_spoiled_cache_is_made_again(
    copied: Path, tmp_path: Path, opened: Callable[[Path], Archive]
) -> None:
    opened(copied)
    (index,) = (tmp_path / "cache").rglob("files.parquet")
    index.write_bytes(b"no index")
    assert len(opened(copied).runs) == 4


def test_nothing_is_written_in_the_archive_and_the_cache_is_the_owners_alone(
    copied: Path, tmp_path: Path, opened: Callable[[Path], Archive]
) -> None:
    before = sorted(copied.rglob("*"))
    opened(copied)
    assert sorted(copied.rglob("*")) == before
    files = list((tmp_path / "cache").rglob("*.parquet"))
    assert len(files) == 5
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    with pytest.raises(InputError, match="inside the archive"):
        Archive(copied, cache=copied / "cache")


@pytest.mark.parametrize(
    "sql",
    [
        "COPY runs TO '{top}/stolen.csv'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "ATTACH '{top}/other.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "DROP VIEW runs",
        "SELECT 1; SELECT 2",
        "SELECT nothing FROM runs",
        "SELEC",
        "",
    ],
)
def test_a_query_only_reads_the_tables(sql: str, archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        archive.query(sql.format(top=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_what_was_never_read_is_empty_until_it_is(evidence: Path, tmp_path: Path) -> None:
    archive = Archive(evidence, cache=tmp_path, refresh=False)
    assert (len(archive.files), len(archive.runs), len(archive.checks)) == (0, 0, 0)
    assert len(Archive(evidence, cache=tmp_path).files) == 4


def test_sql_gives_the_failures_of_each_host(archive: Archive) -> None:
    sql = "SELECT host, count(*) AS failures FROM steps WHERE status = 'failed' GROUP BY host"
    assert archive.query(sql).to_pylist() == [{"host": "host-b", "failures": 1}]


@pytest.mark.parametrize("address", ["nowhere/at/all", "nothing://x"])
def test_an_address_without_an_archive_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        Archive(address, cache=tmp_path)
