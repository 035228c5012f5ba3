"""Each benchmark runs in miniature: they write evidence and start programs in ways that change with the library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.all_benchmarks import SIZES, all_rows
from tests.deadlines import deadline

TOP = Path(__file__).parents[1]
SMALL = {"many": 2, "verify": 200, "notebooks": 10, "notebooks-chapter": 3, "archive": 3}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=deadline(120),
        check=False,
    )


TRIED = {
    "one": ("runbook",),
    "many": ("runbook",),
    "ssh-32": ("runbook_lib in a script",),
    "lan-1": ("openssh, ControlMaster, no evidence",),
    "wan-facts": ("runbook_lib in a script",),
    "help": ("runbook",),
    "start": ("runbook",),
    "verify": ("runbook", "sha256sum", "hashlib, SHA-256 of the same files"),
    "notebooks": ("runbook", "a bare parse with orjson"),
    "notebooks-chapter": ("runbook",),
    "archive": ("runbook", "runbook, with nothing new", "runbook, failures per host"),
}
"""Row -> its programs that are measured here."""
LIKE = {
    "five": "many",
    "ssh-256": "ssh-32",
    "lan-1-100": "lan-1",
    "wan-8": "wan-facts",
    "wan-8-30": "wan-facts",
}
"""Row -> the row above that it differs from in numbers only."""
NOT_HERE = {"chapter": "on practice hosts: tests/scenarios runs the chapter"}


@pytest.mark.parametrize(("row", "only"), TRIED.items())
def test_a_row_of_the_table_is_measured(row: str, only: tuple[str, ...]) -> None:
    """Without the peers: some are installed from elsewhere, and all of them take their time."""
    others = {name for each in all_rows({}) for name in each.scripts} - {*only}
    without = [word for name in sorted(others) for word in ("--without", name)]
    sizes = [word for name, size in SMALL.items() for word in ("--size", f"{name}={size}")]
    done = run("--row", row, *sizes, "--repetitions", "1", "--no-write", *without)
    assert done.returncode == 0, done.stderr
    for name in only:
        assert f"{row}: {name}: " in done.stderr
        assert name in done.stdout


def test_each_row_is_tried_here_or_is_like_one_that_is() -> None:
    assert {*TRIED, *LIKE, *NOT_HERE} == {row.name for row in all_rows({})}
    assert set(LIKE.values()) <= set(TRIED)


def test_each_row_with_a_size_has_a_small_one_here() -> None:
    assert SMALL.keys() == SIZES.keys() <= {row.name for row in all_rows({})}


@pytest.mark.parametrize("given", ["help=3", "many", "many=0", "many=x"])
def test_a_size_that_cannot_be_is_refused(given: str) -> None:
    done = run("--size", given, "--no-write")
    assert done.returncode == 2
    assert f"--size {given}: give ROW=NUMBER; rows with a size are many, verify" in done.stderr
