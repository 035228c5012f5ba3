"""Dask workers that share no directory with us: each has a directory for runs of its own, in a mount namespace."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from runbook_lib.evidence.layout import ATTESTATION, HTML_REPORT, JOURNAL, JUNIT_REPORT, NOTEBOOK
from runbook_lib.model.status import Status
from tests.deadlines import deadline
from tests.execution.fleet import dask_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.execution.fleet.project import Project

PRIVATE = 'mount -t tmpfs -o mode=0700 none "$0" && exec "$@"'
TWO_STEPS = (
    'book.step("Do once", Lasting(f"{p.place}/once"))',
    'book.facts("Look", Asleep(p.seconds))',
)


class Cluster:
    """A scheduler and two workers.

    Args:
        project: Their project.
        address: The scheduler's.
        workers: The ids of the processes that the workers were started as.
    """

    def __init__(self, project: Project, address: str, workers: list[int]) -> None:
        self.dask = ("--executor", "dask", "--scheduler", address)
        self._project = project
        self._workers = workers

    def files(self) -> dict[str, bytes]:
        """Return what the workers have of runs, by path."""
        found: dict[str, bytes] = {}
        for worker in self._workers:
            runs = Path(f"/proc/{worker}/root{self._project.runs}")
            found |= {
                str(path.relative_to(runs)): path.read_bytes()
                for path in runs.glob("2*/**/*")
                if path.is_file()
            }
        return found

    def kill_the_one_with(self, process: int) -> None:
        """Kill the worker whose descendant a process is, with all that it has started."""
        (worker,) = {parent.pid for parent in psutil.Process(process).parents()}.intersection(self._workers)
        top = psutil.Process(worker)
        for one in (top, *top.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


@pytest.fixture
def cluster(project: Project, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Workers that have the project, but another directory for runs; with the parameter "" not the project either."""
    project.runs.mkdir()
    hidden = project.top / getattr(request, "param", "runs")
    own_user = [] if os.geteuid() == 0 else ["--map-root-user"]
    private = ["unshare", *own_user, "--mount", "sh", "-c", PRIVATE, str(hidden)]
    with dask_cluster.running(project, private, ["--no-nanny"]) as (address, workers):
        yield Cluster(project, address, workers)


def test_evidence_comes_back_while_the_run_is_running_and_whole_afterwards(
    project: Project, cluster: Cluster, hold: Path
) -> None:
    project.write("10_first", TWO_STEPS[0], 'book.facts("Look", Held(f"{p.place}/hold"))')
    process = project.start("10_first", "--hosts", "host-a", *cluster.dask)
    project.wait_for("command_started", str(hold))
    assert process.poll() is None, "the lines arrived before the run had ended"
    hold.unlink()
    output, _ = process.communicate(timeout=deadline(100))
    assert process.returncode == 0, output
    (record,) = project.records()
    assert record.status is Status.CHANGED
    here = {
        str(path.relative_to(project.runs)): path.read_bytes()
        for path in project.runs.glob("2*/**/*")
        if path.is_file()
    }
    assert here == cluster.files()
    evidence = {JOURNAL, NOTEBOOK, ATTESTATION, HTML_REPORT, JUNIT_REPORT}
    assert {Path(name).name for name in here} >= evidence
    assert str(project.runs / record.run) in output, "the directory named is the one here"


def test_a_lost_worker_loses_nothing_that_had_arrived_and_no_other_begins_its_run_again(
    project: Project, cluster: Cluster
) -> None:
    project.write("10_first", *TWO_STEPS)
    process = project.start("10_first", "--hosts", "host-a", *cluster.dask, "-p", "seconds", "600")
    (started,) = project.wait_for("run_started")
    project.wait_for("command_started", "sleep 600.0")
    before = (project.runs / started["run"] / JOURNAL).read_bytes()
    cluster.kill_the_one_with(started["pid"])
    output, _ = process.communicate(timeout=deadline(100))
    assert process.returncode == Status.UNKNOWN.exit_code, output
    assert "began the run and was lost; the run may still be running there, and is not begun again" in output
    assert f"{len(before)} bytes of the run's journal were received" in output
    assert (project.place / "once").read_text().splitlines() == ["ran"]
    (record,) = project.records()
    assert record.status is Status.UNKNOWN
    assert (project.runs / record.run / JOURNAL).read_bytes() == before


def test_ctrl_c_reaches_a_run_on_a_worker_and_its_evidence_comes_back(
    project: Project, cluster: Cluster
) -> None:
    process = project.start("10_first", "--hosts", "host-a", *cluster.dask, "-p", "seconds", "600")
    project.wait_for("command_started", "sleep 600.0")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=deadline(100))
    assert process.returncode == Status.INTERRUPTED.exit_code, output
    (record,) = project.records()
    assert record.status is Status.INTERRUPTED
    (journal,) = (content for name, content in cluster.files().items() if name.endswith(JOURNAL))
    assert (project.runs / record.run / JOURNAL).read_bytes() == journal


@pytest.mark.parametrize("cluster", [""], indirect=True)
def test_a_worker_without_the_project_is_named(project: Project, cluster: Cluster) -> None:
    done = project.run("10_first", "--hosts", "host-a", *cluster.dask)
    assert done.returncode == Status.UNKNOWN.exit_code, done.stdout
    assert "the runbook does not exist on this worker" in done.stdout
    assert "copy the project to the same path on each worker; no host was touched" in done.stdout
    assert project.records() == []
