"""`runbook run --resume`, with runners and kernels that are killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from runbook_lib.model.status import Status
from tests.deadlines import deadline

if TYPE_CHECKING:
    from pathlib import Path

    from tests.execution.fleet.project import Project

STEPS = (
    'book.step("Do once", Lasting(f"{p.place}/once"))',
    'book.step("Write", Written(f"{p.place}/one", p.word, held_by=f"{p.place}/hold"))',
    'book.facts("Look", Asleep(0.0))',
)


@pytest.fixture
def killed(project: Project, hold: Path, request: pytest.FixtureRequest) -> str:
    """The id of a run whose runner or kernel was killed in its second step."""
    project.write("10_first", *STEPS)
    process = project.start("10_first", "--hosts", "host-a", "-p", "word", "done")
    (entry,) = project.wait_for("run_started")
    project.wait_for("command_started", str(hold))
    os.kill(process.pid if request.param == "runner" else entry["pid"], signal.SIGKILL)
    process.communicate(timeout=deadline(60))
    assert process.returncode == (-9 if request.param == "runner" else 4)
    project.wait_until_gone(entry["pid"])
    hold.unlink()
    run: str = entry["run"]
    return run


@pytest.mark.parametrize("killed", ["runner"], indirect=True)
def test_a_killed_run_is_gone_on_with_by_the_beginning_of_its_id(project: Project, killed: str) -> None:
    done = project.run("--resume", killed[:-2])
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"resumes {killed}" in done.stdout
    before, after = project.records()
    assert (before.status, after.status) == (Status.UNKNOWN, Status.CHANGED)
    assert after.resumes == killed
    assert after.parameters["word"] == "done"
    assert (project.place / "once").read_text().splitlines() == ["ran"]
    assert (project.place / "one").read_text() == "done"


@pytest.mark.parametrize("killed", ["kernel"], indirect=True)
def test_what_contradicts_the_run_is_refused_before_anything_runs_and_then_it_is_gone_on_with(
    project: Project, killed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.top)

    def refused(*arguments: str) -> str:
        return project.refused("--resume", killed, *arguments, runs=1)

    assert "word is 'other' now and was 'done'" in refused("-p", "word", "other")
    assert "mode is 'plan' now and was 'apply'" in refused("--mode", "plan")
    assert "a run of 10_first, which is not among the runbooks to run" in refused("15_other")
    project.write("10_first", STEPS[0], STEPS[1].replace('"Write"', '"Write it"'), STEPS[2])
    assert "in its source, step 2 was 'Write' and is now 'Write it'" in refused()
    project.write("10_first", STEPS[0], 'book.check("Written", bool)', *STEPS[1:])
    assert "in its source, step 2 was 'Write' and is now 'Written'" in refused()
    project.write("10_first", *STEPS)
    assert project.run("10_first", "--resume", killed).returncode == 0
    assert project.records()[1].resumes == killed


def test_the_last_run_is_found_below_the_home_directory(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(project.top / "home"))
    project.write("10_first", 'book.facts("Look", Asleep(0.0))', "1 / 0")
    assert project.run("10_first", "-p", "runs", "~/evidence").returncode == 1
    (first,) = (project.top / "home" / "evidence").glob("2*")
    project.write("10_first", 'book.facts("Look", Asleep(0.0))')
    done = project.run("--resume", "last", "-p", "runs", "~/evidence")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"resumes {first.name}" in done.stdout
