"""What workers report of their runs, and what is kept and believed of that."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import distributed
import pytest

from runbook_lib.attestation import seal_run
from runbook_lib.evidence.layout import ATTESTATION, HTML_REPORT, JOURNAL, NOTEBOOK, PARAMETERS
from runbook_lib.execution.fleet import returned_evidence
from runbook_lib.execution.fleet.claims import Claims
from runbook_lib.execution.fleet.job import Job, JobResult
from runbook_lib.execution.fleet.remote_worker import ReturnedFile, ReturnedRun, topic
from runbook_lib.execution.fleet.returned_evidence import ReceivingExecutor
from runbook_lib.model.status import Status
from runbook_lib.runbook.notebook.run_directory import JOB
from tests.deadlines import deadline, wait_until
from tests.report import practice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FLEET = "20260101T000000Z_abc123"
RUN = "20260101T000001Z_10_practice_1"
STARTED = f'{{"event": "run_started", "run": "{RUN}", "unit": "{FLEET}/1"}}\n'.encode()
EMPTY = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


def job(top: Path) -> Job:
    return Job(
        f"{FLEET}/1", "x", "10_practice", "x.ipynb", {}, "runs", [], [], [],
        changes=False, project=str(top), fleet=FLEET,
    )  # fmt: skip


@contextlib.contextmanager
def connected() -> Iterator[Any]:
    """Start a cluster in this process; yield a client of it."""
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


@contextlib.contextmanager
def receiving_in(top: Path, client: Any) -> Iterator[ReceivingExecutor]:  # noqa: ANN401 - distributed is untyped
    """Start the receiving side, whose workers are threads of this process."""
    with (
        ThreadPoolExecutor(1) as threads,
        ReceivingExecutor(threads, client, Claims.new(top / "runs")) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with connected() as client:
        yield client


@pytest.fixture
def receiving(tmp_path: Path, client: Any) -> Iterator[ReceivingExecutor]:  # noqa: ANN401 - as above
    with receiving_in(tmp_path, client) as made:
        yield made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs on a worker, sealed: one that succeeded, one that failed, and one of another job."""
    runs = {}
    for name, unit, options in (
        ("good", f"{FLEET}/1", {}),
        ("failed", f"{FLEET}/1", {"fail_on": "host-b"}),
        ("other", f"{FLEET}/2", {}),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(JOB, unit)
            parameters = practice.parameters(tmp_path_factory.mktemp(name), **options)
            runs[name] = practice.run(parameters).directory
        (runs[name] / NOTEBOOK).write_bytes(EMPTY)
        (runs[name] / HTML_REPORT).write_bytes(b"a report")
        seal_run(runs[name])
    return runs


def files_of(run: Path) -> dict[str, bytes]:
    """The files of a run, by their path below the directory for runs."""
    return {
        path.relative_to(run.parent).as_posix(): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file()
    }


def returned(
    files: dict[str, bytes], run: str = RUN, status: Status = Status.CHANGED, sha256: str = ""
) -> Callable[[Job], ReturnedRun]:
    """Return a worker's function that returns files."""

    def work(job: Job) -> ReturnedRun:
        kept = tuple(
            ReturnedFile(name, data, sha256 or hashlib.sha256(data).hexdigest())
            for name, data in files.items()
        )
        return ReturnedRun(JobResult(job.id, path=f"/elsewhere/{run}", status=status), kept)

    return work


def test_a_run_that_a_worker_returns_whole_is_a_success(
    receiving: ReceivingExecutor, tmp_path: Path, made: dict[str, Path]
) -> None:
    files = files_of(made["good"])
    name = made["good"].name
    result = receiving.submit(returned(files, name), job(tmp_path)).result()
    assert (result.problem, result.status) == ("", Status.CHANGED)
    assert result.path == str(tmp_path / "runs" / name)
    assert result.succeeded
    assert files_of(tmp_path / "runs" / name) == files
    again = receiving.submit(returned(files, name), job(tmp_path)).result()
    assert again == result, "files that are here already change nothing"


def test_a_run_in_another_mode_or_on_other_hosts_than_were_checked_has_failed(
    receiving: ReceivingExecutor, tmp_path: Path, made: dict[str, Path]
) -> None:
    files, name = files_of(made["good"]), made["good"].name
    checked = {"parameters": {"mode": "plan"}, "given": [], "hosts": ["host-a"]}
    result = receiving.submit(returned(files, name), replace(job(tmp_path), checked=checked)).result()
    assert result.status is Status.FAILED
    assert f"run {name} was made in mode apply: plan was checked" in result.problem
    assert "host-a was checked" in result.problem


@pytest.mark.parametrize("missing", [NOTEBOOK, ATTESTATION, PARAMETERS, "output/", ""])
def test_a_success_of_which_evidence_did_not_arrive_is_none(
    receiving: ReceivingExecutor, tmp_path: Path, made: dict[str, Path], missing: str
) -> None:
    name = made["good"].name
    files = files_of(made["good"])
    gone = [path for path in files if path.startswith(f"{name}/{missing}")]
    assert gone
    left = {path: data for path, data in files.items() if path not in gone}
    result = receiving.submit(returned(left, name), job(tmp_path)).result()
    assert (result.status, result.succeeded) == (Status.UNKNOWN, False)
    assert result.problem.startswith("the worker reported changed, but ")
    assert not result.path or Path(result.path).is_dir()
    if missing not in {"", "output/"}:
        assert missing in result.problem or "not sealed" in result.problem


def test_evidence_decides_against_the_worker_and_never_for_it(
    receiving: ReceivingExecutor, tmp_path: Path, made: dict[str, Path]
) -> None:
    failed, good = made["failed"], made["good"]
    result = receiving.submit(returned(files_of(failed), failed.name), job(tmp_path)).result()
    assert result.status is Status.FAILED
    assert "the worker reported changed, but the evidence shows that the run is failed" in result.problem
    result = receiving.submit(returned(files_of(good), good.name, Status.OK), job(tmp_path)).result()
    assert result.status is Status.UNKNOWN
    assert "the worker reported ok, but the evidence shows that the run is changed" in result.problem
    result = receiving.submit(returned(files_of(good), good.name, Status.FAILED), job(tmp_path)).result()
    assert result.status is Status.FAILED


def test_files_of_a_run_of_another_job_are_refused(
    receiving: ReceivingExecutor, tmp_path: Path, made: dict[str, Path]
) -> None:
    other = made["other"]
    result = receiving.submit(returned(files_of(other), other.name), job(tmp_path)).result()
    assert result.status is Status.UNKNOWN
    assert f"{other.name}: not a run of this job: none of its files is kept" in result.problem
    assert not (tmp_path / "runs" / other.name).exists()
    here = tmp_path / "runs" / other.name
    shutil.copytree(other, here)
    # Named only, with nothing returned; one file of it; and all under a journal that names this job.
    journal = STARTED.replace(RUN.encode(), other.name.encode())
    for files in ({}, {f"{other.name}/{NOTEBOOK}": b"forged"}, {f"{other.name}/{JOURNAL}": journal}):
        result = receiving.submit(returned(files, other.name), job(tmp_path)).result()
        assert result.status is Status.UNKNOWN, files
        assert files_of(here) == files_of(other), files


@pytest.mark.parametrize("name", [NOTEBOOK, ATTESTATION, "output/new"])
def test_a_file_that_is_here_is_not_replaced(
    receiving: ReceivingExecutor, tmp_path: Path, made: dict[str, Path], name: str
) -> None:
    good = made["good"]
    here = tmp_path / "runs" / good.name / name
    here.parent.mkdir(parents=True)
    here.write_bytes(b"genuine")
    files = {**files_of(good), f"{good.name}/{name}": b"forged"}
    result = receiving.submit(returned(files, good.name), job(tmp_path)).result()
    assert result.status is Status.UNKNOWN
    assert "differs from the file on the worker" in result.problem
    assert here.read_bytes() == b"genuine"


@pytest.mark.parametrize(
    ("name", "sha256", "message"),
    [
        (f"{RUN}/{NOTEBOOK}", "0" * 64, "differs from the file on the worker"),
        (f"{RUN}/../../outside", "", "not a file of a run"),
        (f"{RUN}/nul\0", "", "not a file of a run"),
        ("../outside", "", "not the name of a run"),
        ("/outside/file", "", "not the name of a run"),
        (".fleets/file", "", "not the name of a run"),
        ("file", "", "not a run of this job"),
    ],
)
def test_what_a_worker_must_not_return_is_refused(
    receiving: ReceivingExecutor, tmp_path: Path, name: str, sha256: str, message: str
) -> None:
    files = {f"{RUN}/{JOURNAL}": STARTED, name: b"x"}
    result = receiving.submit(returned(files, sha256=sha256), job(tmp_path)).result()
    assert result.status is Status.UNKNOWN
    assert message in result.problem
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "runs" / "file").exists()


def test_a_journal_whose_beginning_differs_from_the_lines_received_is_refused(
    receiving: ReceivingExecutor, tmp_path: Path
) -> None:
    (tmp_path / "runs" / RUN).mkdir()
    (tmp_path / "runs" / RUN / JOURNAL).write_bytes(b"received\n")
    files = {f"{RUN}/{JOURNAL}": STARTED + b"more\n"}
    result = receiving.submit(returned(files), job(tmp_path)).result()
    assert result.status is Status.UNKNOWN
    assert "differs from the lines that were received while the run was running" in result.problem
    assert (tmp_path / "runs" / RUN / JOURNAL).read_bytes() == b"received\n"


def test_a_worker_that_shares_the_directory_is_not_believed_either(
    receiving: ReceivingExecutor, tmp_path: Path, made: dict[str, Path]
) -> None:
    def reports(path: Path | str) -> Callable[[Job], JobResult]:
        return lambda job: JobResult(job.id, path=str(path), status=Status.CHANGED)

    assert receiving.submit(reports(made["good"]), job(tmp_path)).result().succeeded
    for path in (made["failed"], made["other"], tmp_path / "runs" / RUN, ""):
        result = receiving.submit(reports(path), job(tmp_path)).result()
        assert not result.succeeded, path
        assert result.status in {Status.FAILED, Status.UNKNOWN}, path
        assert result.problem.startswith("the worker reported changed, but "), path


def test_what_is_not_the_result_of_the_job_is_refused_and_ends_it(
    receiving: ReceivingExecutor, tmp_path: Path, made: dict[str, Path]
) -> None:
    def reports_another(_: Job) -> JobResult:
        return JobResult(f"{FLEET}/2", path=str(made["other"]), status=Status.CHANGED)

    another = receiving.submit(reports_another, job(tmp_path)).result(timeout=deadline(60))
    assert (another.job, another.status) == (f"{FLEET}/1", Status.UNKNOWN)
    text = receiving.submit(lambda _: "done", job(tmp_path)).result(timeout=deadline(60))
    assert (text.status, text.problem) == (Status.UNKNOWN, "the worker returned str, not a result")
    broken = ReturnedRun(JobResult(f"{FLEET}/1", path=f"/x/{RUN}", status=Status.OK), (None,))  # type: ignore[arg-type]
    ended = receiving.submit(lambda _: broken, job(tmp_path)).result(timeout=deadline(60))
    assert (ended.status, ended.problem) == (
        Status.UNKNOWN,
        "internal error: the worker's result cannot be judged",
    )


def test_a_run_whose_cluster_has_no_worker_left_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returned_evidence, "_NO_WORKER", 1.0)
    over = threading.Event()
    lines = {"machine": "worker-1", "place": f"/there/{RUN}", "offset": 0, "lines": STARTED}
    with connected() as client, receiving_in(tmp_path, client) as receiving:

        def arrived() -> bool:
            # Sent again: the first time nobody may have been subscribed yet, unlike where a job is sent after that.
            client.log_event(topic(str(receiving.claims.path)), {"job": f"{FLEET}/1", "run": RUN, **lines})
            return (tmp_path / "runs" / RUN / JOURNAL).exists()

        future = receiving.submit(lambda _: over.wait(), job(tmp_path))
        try:
            wait_until(arrived, "the first line")
            client.cluster.scale(0)
            result = future.result(timeout=deadline(60))
        finally:
            over.set()
    assert (result.status, result.path) == (Status.UNKNOWN, str(tmp_path / "runs" / RUN))
    assert result.problem.startswith(
        "the cluster has had no worker for 1 s; the run may still be running; "
        f"{len(STARTED)} bytes of the run's journal were received"
    )
    assert result.problem.endswith(f"all its evidence is on worker-1: /there/{RUN}")
