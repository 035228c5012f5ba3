"""Matrices of runs, on this machine and on a real Dask cluster whose worker is killed in the middle of a run."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import pytest

from runbook_lib.model.status import Status
from tests.deadlines import deadline, wait_until
from tests.execution.fleet import dask_cluster
from tests.execution.processes import kill, parent_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.execution.fleet.project import Project

MATRIX = """\
parameters: {mode: plan}
runs:
- runbook: 20_second
  name: the second on a
  parameters: {hosts: host-a}
cross:
  runbook: [10_first]
  parameters:
    hosts: [host-a, host-b]
    word: [well]
"""


def matrix(project: Project, text: str) -> str:
    (project.top / "fleet.yml").write_text(text, encoding="utf-8")
    return "fleet.yml"


def test_a_matrix_is_listed_and_crossed_and_summed_up(project: Project) -> None:
    done = project.run("--matrix", matrix(project, MATRIX), "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    made = sorted((record.runbook, record.hosts) for record in project.records())
    assert made == [("10_first", ["host-a"]), ("10_first", ["host-b"]), ("20_second", ["host-a"])]
    summary = done.stdout.partition("\n\n")[2].splitlines()
    labels = ("the second on a", "10_first hosts=host-a", "10_first hosts=host-b")
    assert [any(label in line for line in summary) for label in labels] == [True] * 3
    by_hosts = {(record.runbook, *record.hosts): record for record in project.records()}
    ended = by_hosts["10_first", "host-a"].ended
    assert ended
    assert by_hosts["20_second", "host-a"].started >= ended, "what it needs on its own host came first"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rums: []", "unknown name 'rums' (did you mean 'runs'?)"),
        ("parameters: {}", "lists no runs"),
        ("runs:\n- runbook: 10_frist", "unknown runbook '10_frist'"),
        (
            "runs:\n- runbook: 10_first\n  parameters: {wrod: x}",
            "fleet.yml, line 2, parameters of 10_first: unknown name 'wrod'",
        ),
        ("runs:\n- runbook: 10_first\n  file: nowhere.yml", "nowhere.yml: no such file"),
        ("cross: {runbook: [10_first], parameters: {hosts: host-a}}", "'cross.parameters.hosts'"),
        (
            "runs:\n- runbook: 10_first\n  parameters: {hosts: host-z}",
            "fleet.yml, line 2, parameters of 10_first: 'hosts': unknown host or group 'host-z' in ",
        ),
    ],
)
def test_a_wrong_matrix_is_refused_before_anything_runs(
    project: Project, text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.top)
    assert message in project.refused("--matrix", matrix(project, text))


def test_no_scheduler_at_the_address_is_bad_input(project: Project) -> None:
    done = project.run("10_first", "--executor", "dask", "--scheduler", "tcp://127.0.0.1:1")
    assert done.returncode == 2
    assert "no Dask scheduler answers" in done.stderr
    assert "Traceback" not in done.stderr
    assert project.records() == []


@pytest.fixture
def cluster(project: Project) -> Iterator[str]:
    """The address of a scheduler with two workers."""
    with dask_cluster.running(project) as (address, _):
        yield address


@pytest.mark.parametrize("its_runs_too", [False, True])
def test_a_killed_worker_loses_nothing_and_runs_nothing_twice(
    project: Project,
    cluster: str,
    hold: Path,
    *,
    its_runs_too: bool,
) -> None:
    project.write(
        "10_first",
        'book.step("Do once", Lasting(f"{p.place}/once"))',
        'book.facts("Look", Held(f"{p.place}/hold"))',
    )
    dask = ("--executor", "dask", "--scheduler", cluster)
    process = project.start("10_first", "--hosts", "host-a", *dask)
    (sleeping,) = [e for e in project.wait_for("run_started", "10_first") if e["runbook"] == "10_first"]
    project.wait_for("step_ended", '"step": 1')
    runner = parent_of(sleeping["pid"])  # the run's process, a child of Dask's worker
    worker = parent_of(runner)
    project.wait_for("command_started", str(hold))
    kill(worker)
    if its_runs_too:
        kill(runner)
        with contextlib.suppress(ProcessLookupError):  # its own fork server may have been faster
            kill(sleeping["pid"])
    _wait_for_a_second_attempt(project)
    hold.unlink()
    output, _ = process.communicate(timeout=deadline(100))
    assert "attempt 2" in output, output
    assert "after a worker died" in output
    assert (project.place / "once").read_text().splitlines() == ["ran"]
    records = [record for record in project.records() if record.runbook == "10_first"]
    if its_runs_too:
        assert [record.status for record in records] == [Status.UNKNOWN, Status.OK], output
        assert records[1].resumes == records[0].run
        assert f"resumed {records[0].run}" in output
    else:
        assert [record.status for record in records] == [Status.CHANGED], output
        assert "the dead worker's run had ended by then" in output
    assert process.returncode == 0, output


def _wait_for_a_second_attempt(project: Project) -> None:
    wait_until(lambda: [*project.runs.glob(".fleets/*/*.2.claim")], "a second attempt")


def test_ctrl_c_reaches_a_run_whose_worker_was_killed(project: Project, cluster: str) -> None:
    process = project.start(
        "10_first", "--hosts", "host-a", "--executor", "dask", "--scheduler", cluster, "-p", "seconds", "600"
    )
    (started,) = project.wait_for("run_started")
    project.wait_for("command_started", "sleep 600.0")
    kill(parent_of(parent_of(started["pid"])))
    _wait_for_a_second_attempt(project)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=deadline(100))
    assert process.returncode == Status.INTERRUPTED.exit_code, output
    (record,) = project.records()
    assert (record.status, record.incomplete) == (Status.INTERRUPTED, ""), output
