"""Worker processes that are started before there is a job for them."""

from __future__ import annotations

import contextlib
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from runbook_lib import grace_periods
from runbook_lib.execution.fleet.claims import Claims
from runbook_lib.execution.fleet.job import Job
from runbook_lib.execution.fleet.worker_pool import WorkerPool
from runbook_lib.model.status import Status
from tests.deadlines import deadline, wait_until


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job that a worker refuses at once: its notebook does not exist."""
    fleet = Claims.new(tmp_path).path
    return Job(
        id=f"{fleet.name}/1", label="nothing", runbook="nothing", notebook=str(tmp_path / "nothing.ipynb"),
        values={}, runs=str(tmp_path), hosts=[], machines=[], connections=[], changes=False,
        project=str(tmp_path), fleet=str(fleet),
    )  # fmt: skip


def workers() -> list[psutil.Process]:
    return [process for process in psutil.Process().children() if "fleet.worker" in _command_line(process)]


def started_workers(number: int) -> list[psutil.Process]:
    """Return the workers once they show their command line: just after exec a process has none."""
    wait_until(lambda: len(workers()) >= number, f"{number} worker processes")
    return workers()


def catches(process: psutil.Process, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def test_a_worker_started_in_advance_runs_the_job_and_exits_with_the_pool(job: Job) -> None:
    with WorkerPool() as pool:
        pool.start([job])
        started = started_workers(1)
        assert "nothing.ipynb" in pool.run(job).problem
        assert workers() == started
    assert not workers()


def test_workers_that_never_got_a_job_exit_with_the_pool(job: Job) -> None:
    with WorkerPool() as pool:
        pool.start([job, job])
        assert len(started_workers(2)) == 2
    assert not workers()


def test_a_worker_that_was_killed_before_its_first_job_is_replaced(job: Job) -> None:
    with WorkerPool() as pool:
        pool.start([job])
        (killed,) = started_workers(1)
        killed.kill()
        psutil.wait_procs([killed], timeout=deadline(10))
        assert "nothing.ipynb" in pool.run(job).problem


def test_a_worker_that_does_not_react_to_the_stop_is_killed(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grace_periods, "FLEET", 0.5)
    with WorkerPool() as pool, ThreadPoolExecutor(1) as threads:
        pool.start([job])
        (stuck,) = started_workers(1)
        wait_until(lambda: catches(stuck, signal.SIGTERM), "a worker that notes signals itself")
        stuck.suspend()
        running = threads.submit(pool.run, job)
        Claims(Path(job.fleet)).stop()
        try:
            problem = running.result(timeout=deadline(30)).problem
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                stuck.kill()
        assert problem == "the worker process was killed by SIGKILL before a run had started"
    assert not workers()


@pytest.mark.parametrize("seconds", [0, 0.02, 0.04, 0.1, 0.3])
def test_a_worker_that_is_interrupted_while_it_loads_runs_nothing_and_says_so(
    job: Job, seconds: float
) -> None:
    """At first Python ends with a traceback, then with another exit code, while it imports `site`."""
    before = {process.pid for process in psutil.Process().children()}
    with WorkerPool() as pool:
        pool.start([job])
        (loading,) = (process for process in psutil.Process().children() if process.pid not in before)
        time.sleep(seconds)
        loading.send_signal(signal.SIGINT)
        result = pool.run(job)
    assert (result.status, result.problem) == (Status.INTERRUPTED, "not run: interrupted")
    assert result.interrupted
    assert not workers()
