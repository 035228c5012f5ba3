"""What is printed after a run: what it skipped, its report, and how to continue it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.cli.live_table import print_result, print_summary
from runbook_lib.cli.run_progress import Progress
from runbook_lib.execution.fleet.job import Job, JobResult
from runbook_lib.model.status import Status
from runbook_lib.printing.console import FilteredConsole

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20261127T154539Z_20_docker_install_4979b7"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run directory with a report, where runs are looked for."""
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "runs" / RUN
    directory.mkdir(parents=True)
    (directory / "report.html").touch()
    return directory


def printed(result: JobResult, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_result(Progress(spins=False), result)
    return capsys.readouterr().out.splitlines()


def test_a_run_names_its_report_and_what_it_skipped(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = JobResult("j", path=str(run), status=Status.OK, mode="apply", skipped="step 2 of 2 was skipped")
    assert printed(result, capsys) == [
        "  step 2 of 2 was skipped",
        f"  report: {run}/report.html",
        f"  evidence: {run}",
    ]


def test_a_plan_says_where_its_commands_are(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = JobResult("j", path=str(run), status=Status.PLANNED, mode="plan")
    assert printed(result, capsys)[0] == f"  report, with the planned commands: {run}/report.html"


@pytest.mark.parametrize("status", [Status.INTERRUPTED, Status.FAILED, Status.UNREACHABLE])
def test_a_run_that_did_not_succeed_says_how_it_is_resumed(
    status: Status, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(JobResult("j", path=str(run), status=status, mode="apply"), capsys)
    assert [f"`runbook run --resume {RUN}` continues the run" in line for line in lines].count(True) == 1
    elsewhere = str(tmp_path / "other runs" / RUN)
    lines = printed(JobResult("j", path=elsewhere, status=status, mode="apply"), capsys)
    assert any(f"--resume '{elsewhere}'" in line for line in lines)
    assert not any("report: " in line for line in lines)  # there is none
    for other in ("plan", "validate"):
        assert "--resume" not in "".join(
            printed(JobResult("j", path=str(run), status=status, mode=other), capsys)
        )


def test_the_table_of_a_fleet_names_its_columns_and_shows_mode_and_evidence(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job(
        "j", "Docker on host-a", "r", "r.ipynb", {}, "runs", ["host-a"], [], [], changes=True, project=""
    )
    result = JobResult(
        "j", path=str(run), status=Status.OK, mode="plan", seconds=1.04, skipped="step 2 skipped"
    )
    print_summary(FilteredConsole(), [job], [result])
    names, row = capsys.readouterr().out.split("\n")[1:3]
    assert names.split() == ["outcome", "run", "mode", "hosts", "duration", "remarks", "evidence"]
    assert " ".join(row.split()) == f"✓ ok Docker on host-a plan host-a 1.0 s step 2 skipped {RUN}"
