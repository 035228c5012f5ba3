"""Which runs a job has made, and which of them is the latest, whatever the clocks of the workers say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.execution.fleet.job import Job
from runbook_lib.execution.fleet.job_runs import latest_run, runs_of

if TYPE_CHECKING:
    from pathlib import Path

FLEET = "20270115T120000Z_0a1b2c"
JOB = Job(
    f"{FLEET}/1", "x", "40_bridge", "x.ipynb", {}, "runs", [], [], [],
    changes=True, project="/", fleet=f"/runs/.fleets/{FLEET}",
)  # fmt: skip


def write(runs: Path, time: str, resumes: str | None = None, unit: str = JOB.id) -> str:
    """Write a run whose name begins with a time; return its name."""
    name = f"20270115T{time}Z_40_bridge_abcdef"
    started: dict[str, Any] = {"event": "run_started", "run": name, "unit": unit, "resumes": resumes}
    (runs / name).mkdir()
    (runs / name / "journal.jsonl").write_text(f"{json.dumps(started)}\n", encoding="utf-8")
    return name


@pytest.mark.parametrize("time", ["115955", "000000", "120005"])
def test_a_run_is_found_though_its_worker_s_clock_differs(tmp_path: Path, time: str) -> None:
    name = write(tmp_path, time)
    write(tmp_path, "120009", unit=f"{FLEET}/2")
    assert list(runs_of(JOB, tmp_path)) == [tmp_path / name]
    assert latest_run(JOB, tmp_path) == tmp_path / name


def test_the_latest_run_is_the_one_that_no_other_resumes(tmp_path: Path) -> None:
    first = write(tmp_path, "120003")
    second = write(tmp_path, "115957", resumes=first)  # by a worker whose clock is behind
    third = write(tmp_path, "120001", resumes=second)
    assert latest_run(JOB, tmp_path) == tmp_path / third


@pytest.mark.parametrize("line", [b"", b'{"event": "run_sta', b"[1]\n", b"\xff\n", b"[" * 9999])
def test_a_journal_without_its_first_line_is_not_a_run_that_started(tmp_path: Path, line: bytes) -> None:
    directory = tmp_path / "20270115T120001Z_40_bridge_abcdef"
    directory.mkdir()
    (directory / "journal.jsonl").write_bytes(line)
    assert latest_run(JOB, tmp_path) is None
