"""Each benchmark runs in miniature: they write evidence and start programs in ways that change with the library."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.all_benchmarks import all_rows
from tests.deadlines import deadline

TOP = Path(__file__).parents[1]


def benchmark(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(str(TOP / "benchmarks" / name), *arguments)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=deadline(120),
        check=False,
    )


@pytest.mark.parametrize(
    ("row", "only"),
    [
        ("one", "runbook"),
        ("many", "runbook"),
        ("ssh-32", "runbook_lib in a script"),
        ("lan-1", "openssh, ControlMaster, no evidence"),
        ("wan-facts", "runbook_lib in a script"),
        ("help", "runbook"),
    ],
)
def test_a_row_of_the_table_is_measured(row: str, only: str) -> None:
    """Without the peers: some are installed from elsewhere, and all of them take their time."""
    others = {name for each in all_rows(2) for name in each.scripts} - {only}
    without = [word for name in sorted(others) for word in ("--without", name)]
    chosen = ["--row", row, "--runs", "2", "--repetitions", "1", "--no-write", *without]
    done = run("-m", "benchmarks", *chosen)
    assert done.returncode == 0, done.stderr
    assert f"{row}: {only}: " in done.stderr
    assert only in done.stdout


def test_verification_is_measured_on_a_run_that_verifies() -> None:
    done = benchmark("verify.py", "--commands", "200", "--repeat", "1")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["commands"] == 200


@pytest.mark.parametrize(("kind", "count"), [("notebooks", "10"), ("runs", "3")])
def test_an_archive_is_measured(kind: str, count: str) -> None:
    done = benchmark("archive.py", kind, count)
    assert done.returncode == 0, done.stderr
    assert "first ingestion" in done.stderr
