"""Dask workers that share no directory with us: each has a directory for runs of its own, in a mount namespace."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import distributed
import psutil
import pytest

from runbook_lib.evidence.layout import ATTESTATION, HTML_REPORT, JOURNAL, JUNIT_REPORT, NOTEBOOK
from runbook_lib.execution.fleet import returned_evidence
from runbook_lib.execution.fleet.claims import Claims
from runbook_lib.execution.fleet.job import Job, JobResult
from runbook_lib.execution.fleet.remote_worker import ReturnedFile, ReturnedRun, topic
from runbook_lib.execution.fleet.returned_evidence import ReceivingExecutor
from runbook_lib.model.status import Status
from tests.deadlines import deadline, wait_until
from tests.execution.fleet import dask_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    project: Project, cluster: Cluster
) -> None:
    project.write("10_first", *TWO_STEPS)
    process = project.start("10_first", "--hosts", "host-a", *cluster.dask, "-p", "seconds", "3")
    project.wait_for("command_started", "sleep 3.0")
    assert process.poll() is None, "the lines arrived before the run had ended"
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
    assert "was lost, which had begun the run, and may still be running it; not begun again here" in output
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


def returned(*files: tuple[str, bytes], sha256: str = "") -> Callable[[Job], ReturnedRun]:
    """Return a worker's function that returns files."""

    def run(job: Job) -> ReturnedRun:
        kept = tuple(
            ReturnedFile(name, data, sha256 or hashlib.sha256(data).hexdigest()) for name, data in files
        )
        return ReturnedRun(JobResult(job.id, path="/elsewhere/20260101T000000Z_x_1", status=Status.OK), kept)

    return run


@pytest.fixture
def client() -> Iterator[Any]:
    """A cluster in this process."""
    no_page = {
        "dashboard_address": "127.0.0.1:0"
    }  # otherwise all clusters of this machine want the same port
    with (
        distributed.LocalCluster(  # type: ignore[no-untyped-call]
            processes=False, n_workers=1, dashboard_address=None, scheduler_kwargs=no_page
        ) as cluster,
        distributed.Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        yield client


@pytest.fixture
def receiving(tmp_path: Path, client: Any) -> Iterator[ReceivingExecutor]:  # noqa: ANN401 - distributed is untyped
    """The receiving side, whose workers are threads of this process."""
    with (
        ThreadPoolExecutor(1) as threads,
        ReceivingExecutor(threads, client, Claims.new(tmp_path / "runs")) as made,
    ):
        yield made


RUN = "20260101T000000Z_x_1"


def test_what_a_worker_returns_is_kept_below_the_directory_for_runs(
    receiving: ReceivingExecutor, tmp_path: Path
) -> None:
    result = receiving.submit(
        returned((f"{RUN}/{JOURNAL}", b"{}\n"), (f"{RUN}/output/a", b"a")), job(tmp_path)
    ).result()
    assert (result.status, result.path) == (Status.OK, str(tmp_path / "runs" / RUN))
    assert (tmp_path / "runs" / RUN / "output" / "a").read_bytes() == b"a"


@pytest.mark.parametrize(
    ("name", "sha256", "message"),
    [
        (f"{RUN}/{NOTEBOOK}", "0" * 64, "differs from the file on the worker"),
        (f"{RUN}/{JOURNAL}", "0" * 64, "differs from the file on the worker"),
        ("../outside", "", "not a file of a run"),
        (f"{RUN}/../../outside", "", "not a file of a run"),
        ("/outside/file", "", "not a file of a run"),
        (".fleets/file", "", "not the name of a run"),
        ("file", "", "not a file of a run"),
    ],
)
def test_what_a_worker_must_not_return_is_refused(
    receiving: ReceivingExecutor, tmp_path: Path, name: str, sha256: str, message: str
) -> None:
    result = receiving.submit(returned((name, b"x"), sha256=sha256), job(tmp_path)).result()
    assert result.status is Status.UNKNOWN
    assert message in result.problem
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "runs" / "file").exists()


def test_a_journal_whose_beginning_differs_from_the_lines_received_is_refused(
    receiving: ReceivingExecutor, tmp_path: Path
) -> None:
    (tmp_path / "runs" / RUN).mkdir()
    (tmp_path / "runs" / RUN / JOURNAL).write_bytes(b"received\n")
    result = receiving.submit(returned((f"{RUN}/{JOURNAL}", b"altered\nmore\n")), job(tmp_path)).result()
    assert result.status is Status.UNKNOWN
    assert "differs from the lines that were received while the run was running" in result.problem
    assert (tmp_path / "runs" / RUN / JOURNAL).read_bytes() == b"received\n"


def test_a_run_whose_cluster_has_no_worker_left_is_given_up(
    receiving: ReceivingExecutor,
    client: Any,  # noqa: ANN401 - as above
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(returned_evidence, "_NO_WORKER", 1.0)
    over = threading.Event()
    future = receiving.submit(lambda _: over.wait(), job(tmp_path))
    lines = {"machine": "worker-1", "place": f"/there/{RUN}", "offset": 0, "lines": b"{}\n"}

    def arrived() -> bool:
        # Sent again: the first time nobody may have been subscribed yet, unlike where a job is sent after that.
        client.log_event(topic(str(receiving.claims.path)), {"job": "fleet/1", "run": RUN, **lines})
        return (tmp_path / "runs" / RUN / JOURNAL).exists()

    wait_until(arrived, "the first line")
    client.cluster.scale(0)
    try:
        result = future.result(timeout=deadline(60))
    finally:
        over.set()
    assert (result.status, result.path) == (Status.UNKNOWN, str(tmp_path / "runs" / RUN))
    assert result.problem.startswith(
        "no worker is left in the cluster for 1 s; the run may still be running; 3 bytes"
    )
    assert result.problem.endswith(f"all its evidence is on worker-1: /there/{RUN}")


def job(top: Path) -> Job:
    return Job(
        "fleet/1", "x", "x", "x.ipynb", {}, "runs", [], [], [], changes=False, project=str(top), fleet="fleet"
    )
