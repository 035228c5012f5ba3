"""The benchmarks that are scripts run: they write evidence of their own, which changes with the library."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deadlines import deadline

TOP = Path(__file__).parents[1]


def benchmark(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, TOP / "benchmarks" / name, *arguments],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=deadline(120),
        check=False,
    )


def test_verification_is_measured_on_a_run_that_verifies() -> None:
    done = benchmark("verify.py", "--commands", "200", "--repeat", "1")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["commands"] == 200


@pytest.mark.parametrize(("kind", "count"), [("notebooks", "10"), ("runs", "3")])
def test_an_archive_is_measured(kind: str, count: str) -> None:
    done = benchmark("archive.py", kind, count)
    assert done.returncode == 0, done.stderr
    assert "first ingestion" in done.stderr
