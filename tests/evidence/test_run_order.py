"""Runs that have started in the same second are in order too, whatever their names are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runbook_lib.cli.last_outcome import last_outcome
from runbook_lib.evidence.chain import FIRST, seal
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.evidence.lookup import find_run
from runbook_lib.evidence.run_order import in_order_of_start

if TYPE_CHECKING:
    from pathlib import Path

SECOND = "20260101T000005Z"


def started(top: Path, name: str, moment: str) -> Path:
    run = top / name
    run.mkdir()
    body = {"n": 1, "previous": FIRST, "event": "run_started", "started": f"2026-01-01T{moment}+00:00"}
    (run / JOURNAL).write_bytes(seal(json.dumps(body).encode()) + b"\n")
    return run


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Four runs in order, of which two have started in the same second."""
    return [
        started(tmp_path, "20260101T000004Z_hello_ffffff", "00:00:04.9"),
        started(tmp_path, f"{SECOND}_hello_cccccc", "00:00:05"),
        started(tmp_path, f"{SECOND}_hello_666666", "00:00:05.000001"),
        started(tmp_path, "20260101T000006Z_other_000000", "00:00:06"),
    ]


def test_the_journals_order_the_runs_of_one_second(runs: list[Path]) -> None:
    assert in_order_of_start(reversed(runs)) == runs


def test_last_is_the_run_that_has_started_last(runs: list[Path], tmp_path: Path) -> None:
    (runs[3] / JOURNAL).unlink()
    runs[3].rmdir()
    assert find_run("last", tmp_path) == runs[2]
    assert last_outcome("hello", tmp_path).directory == runs[2]


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]\n", b'{"n": 1}\n', b"null\n"],
    ids=["empty", "cut-off", "list", "no-link", "null"],
)
def test_a_journal_that_says_nothing_comes_first(runs: list[Path], text: bytes) -> None:
    (runs[2] / JOURNAL).write_bytes(text)
    assert in_order_of_start(runs) == [runs[0], runs[2], runs[1], runs[3]]


@pytest.mark.parametrize("moment", [5, "yesterday", "2026-01-01T00:00:05", None])
def test_a_start_that_is_no_moment_comes_first(runs: list[Path], moment: object) -> None:
    body = {"n": 1, "previous": FIRST, "event": "run_started", "started": moment}
    (runs[2] / JOURNAL).write_bytes(seal(json.dumps(body).encode()) + b"\n")
    assert in_order_of_start(runs) == [runs[0], runs[2], runs[1], runs[3]]


def test_without_a_journal_a_run_comes_first(runs: list[Path]) -> None:
    (runs[2] / JOURNAL).unlink()
    assert in_order_of_start(runs) == [runs[0], runs[2], runs[1], runs[3]]
