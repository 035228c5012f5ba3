"""Jobs in processes of their own on this machine, each followed and interrupted separately."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from runbook_lib import grace_periods, subprocess_termination
from runbook_lib.execution.fleet.claims import Claims
from runbook_lib.execution.fleet.job import Job, JobResult
from runbook_lib.execution.notebook.outcome import Outcome
from runbook_lib.signal_handlers import STOP_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["WorkerPool", "run_in_own_process"]

_POLL = 0.2  # seconds between two checks whether the fleet was stopped
_MODULE = "runbook_lib.execution.fleet.worker"


class _WorkerProcess:
    """One worker process; its standard error goes to a file in the fleet's directory.

    It has a session of its own: a Ctrl-C reaches it once, through this process.
    """

    def __init__(self, job: Job) -> None:
        log = os.open(
            Path(job.fleet) / "workers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        # It inherits what this thread blocks: a signal that comes while it loads waits until it can be noted.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE],
                cwd=job.project,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(log)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def run(self, job: Job) -> JobResult:
        """Have a job run; interrupt it once the fleet is stopped, and kill the process if that does not end it."""
        claims, kill_at = Claims(Path(job.fleet)), 0.0
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin  # noqa: S101 - both are pipes
        assert stdout  # noqa: S101 - as above
        with contextlib.suppress(BrokenPipeError):
            stdin.write(f"{job.json}\n".encode())
            stdin.flush()
        received = b""
        while not received.endswith(b"\n"):
            if not kill_at and claims.stopped:
                self._process.send_signal(signal.SIGINT)
                kill_at = time.monotonic() + grace_periods.FLEET
            elif kill_at and time.monotonic() > kill_at:
                self._process.kill()  # it is stopped, or waits for a file system that does not answer
            if not select.select([stdout], [], [], _POLL)[0]:
                continue
            piece = os.read(stdout.fileno(), 65536)
            if not piece:
                return self._died(job, claims)
            received += piece
        return JobResult.from_json(received.decode())

    def close(self) -> None:
        """Have it exit, once it has nothing more to do, and wait for that."""
        self.let_exit()
        subprocess_termination.wait_or_kill(self._process, grace_periods.IDLE_WORKER)

    def let_exit(self) -> None:
        """Close its pipes: no further job comes, and it exits when it has nothing more to do."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _died(self, job: Job, claims: Claims) -> JobResult:
        code = subprocess_termination.wait_or_kill(self._process, grace_periods.IDLE_WORKER)
        cause = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        problem = f"the worker process {cause}"
        path = claims.latest_run(job.id)
        if path is None:
            return JobResult(job.id, problem=f"{problem} before a run had started")
        # Reports and seal are missing, so not even a run that ended well is a success.
        outcome = replace(Outcome.read(path), evidence_problem=problem)
        return JobResult(job.id, path=str(path), status=outcome.status, problem=problem)


class WorkerPool:
    """Worker processes, as many as jobs run at the same time; each is kept for the jobs that follow."""

    def __init__(self) -> None:
        self._idle: queue.SimpleQueue[_WorkerProcess] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        idle = []
        while not self._idle.empty():
            idle.append(self._idle.get())
        for process in idle:  # all exit at the same time
            process.let_exit()
        for process in idle:
            process.close()

    def start(self, jobs: Sequence[Job]) -> None:
        """Start a process for each of the first jobs in advance: it loads its libraries before it is needed."""
        for job in jobs:
            self._idle.put(_WorkerProcess(job))

    def run(self, job: Job) -> JobResult:
        """Run a job in an idle worker process, or a new one."""
        process = self._idle_process() or _WorkerProcess(job)
        result = process.run(job)
        if process.alive:
            self._idle.put(process)
        else:
            process.close()
        return result

    def _idle_process(self) -> _WorkerProcess | None:
        """Return an idle process that has not been killed meanwhile."""
        with contextlib.suppress(queue.Empty):
            while process := self._idle.get_nowait():
                if process.alive:
                    return process
                process.close()
        return None


def run_in_own_process(job: Job) -> JobResult:
    """Run a job in a worker process that exits afterwards: what Dask calls in a thread of its worker.

    Raises:
        InputError: The fleet's directory does not exist on this machine.
    """
    Claims(Path(job.fleet))
    process = _WorkerProcess(job)
    try:
        return process.run(job)
    finally:
        process.close()
