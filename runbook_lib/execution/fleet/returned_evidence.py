"""Keep the evidence that Dask workers send back: journals while their runs are running, then all files.

What a worker sends is checked: that the journal of each run names the job, each file by its SHA-256 once it is on disk,
and the journal by what was received of it before. Files are only ever added below a run's directory. The result is
judged by what is here then: see `judged_result`.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from runbook_lib import file_lock
from runbook_lib.atomic import write_fully
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.execution.fleet.job import Job, JobResult
from runbook_lib.execution.fleet.job_runs import run_of_job
from runbook_lib.execution.fleet.judged_result import judged_result
from runbook_lib.execution.fleet.remote_worker import ReturnedRun, stop_event, topic
from runbook_lib.execution.fleet.returned_files import by_run, directory_for, keep_files, name_of_run
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.execution.fleet.claims import Claims

__all__ = ["ReceivingExecutor"]

_INTERVAL = 0.5  # seconds between two looks at the fleet's stop and at the cluster
_NO_WORKER = 30.0  # seconds without any worker, after which a run that was begun counts as lost


@dataclass
class _Received:
    """A journal, as far as it was received.

    Args:
        run: The run's directory here.
        file: The open journal, locked as that of a run that is running.
        place: The machine and directory where the run is.
    """

    run: Path
    file: int
    place: str


class ReceivingExecutor(Executor):
    """Dask's executor, with results whose evidence is on this machine.

    Args:
        executor: Dask's own.
        client: Dask's client.
        claims: The fleet's claims, which name the runs to follow.
    """

    def __init__(self, executor: Executor, client: Any, claims: Claims) -> None:  # noqa: ANN401 - an extra's
        self._executor = executor
        self._client = client
        self.claims = claims
        self._runs = claims.runs
        self._received: dict[str, _Received] = {}
        self._open: dict[str, tuple[Job, Future[Any], Future[JobResult]]] = {}
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="cluster", daemon=True)

    def __enter__(self) -> Self:
        """Receive journals from now on."""
        self._client.subscribe_topic(topic(str(self.claims.path)), self._receive)
        self._watcher.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._done.set()
        self._watcher.join()
        self._client.unsubscribe_topic(topic(str(self.claims.path)))
        with self._lock:
            for received in self._received.values():
                os.close(received.file)
            self._received.clear()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - as Executor
        """Have a worker run a job, the only argument; the future's result is a `JobResult`."""
        (job,) = args
        inner: Future[Any] = self._executor.submit(fn, job, **kwargs)
        outer: Future[JobResult] = Future()
        with self._lock:
            self._open[job.id] = job, inner, outer
        inner.add_done_callback(lambda _: self._end(job.id, self._outcome))
        return outer

    def _end(self, name: str, outcome: Callable[[Job, Future[Any]], JobResult]) -> None:
        """End a job, unless that was done."""
        with self._lock:
            found = self._open.pop(name, None)
        if found is None:
            return
        job, inner, outer = found
        if not outer.set_running_or_notify_cancel():
            return
        result = JobResult(job.id, problem="internal error: the worker's result cannot be judged")
        try:
            result = outcome(job, inner)
        finally:  # otherwise the future would never be done, and the fleet would wait for ever
            outer.set_result(result)

    def _outcome(self, job: Job, inner: Future[Any]) -> JobResult:
        if inner.cancelled():
            return self._with_received(job, JobResult(job.id, problem="Dask has canceled the job"))
        if problem := inner.exception():
            return self._with_received(job, JobResult(job.id, problem=f"{type(problem).__name__}: {problem}"))
        returned = inner.result()
        if isinstance(returned, ReturnedRun):
            return self._kept(job, returned)
        if not isinstance(returned, JobResult):
            why = f"the worker returned {type(returned).__name__}, not a result"
            return self._with_received(job, JobResult(job.id, problem=why))
        if returned.path:
            return judged_result(job, returned, Path(returned.path))
        return self._with_received(job, judged_result(job, returned, None))

    def _receive(self, event: tuple[float, dict[str, Any]]) -> None:
        """Append lines to a journal; Dask calls this with each event of the topic."""
        message = event[1]
        with contextlib.suppress(KeyError, OSError, EvidenceError), self._lock:
            received = self._received.get(message["job"])
            if received is None or received.run.name != message["run"]:
                received = self._begin(message)
            # Of a message that was lost, the rest comes with all files at the end.
            if os.fstat(received.file).st_size == message["offset"]:
                write_fully(received.file, message["lines"])

    def _begin(self, message: dict[str, Any]) -> _Received:
        run = self._runs / name_of_run(message["run"])
        first_line = message["lines"].partition(b"\n")[0]
        if message["offset"] == 0 and run_of_job(first_line, message["job"]) != run.name:
            raise EvidenceError("not a run of this job", where=message["run"])
        run.mkdir(mode=0o700)
        file = os.open(
            run / JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        file_lock.acquire(file)
        if earlier := self._received.pop(message["job"], None):
            os.close(earlier.file)
        received = _Received(run, file, f"{message['machine']}: {message['place']}")
        self._received[message["job"]] = received
        self.claims.record_run(message["job"], 1, run)
        return received

    def _kept(self, job: Job, returned: ReturnedRun) -> JobResult:
        """Keep the files of a job's runs; return its result as judged by them, with the run's directory here."""
        problems: list[str] = []
        kept: dict[str, Path] = {}
        with self._lock:
            received = self._received.pop(job.id, None)
            try:
                for name, files in by_run(returned.files).items():
                    try:
                        kept[name] = directory_for(self._runs, name, files, job.id)
                        keep_files(kept[name], files)
                    except (OSError, EvidenceError) as problem:
                        problems.append(str(problem))
            finally:
                if received:
                    os.close(received.file)
        run = kept.get(Path(returned.result.path).name) or (received.run if received else None)
        result = judged_result(job, returned.result, run)
        if not problems:
            return result
        place = received.place if received else f"{result.machine}: {returned.result.path}"
        why = f"the evidence cannot be kept here: {'; '.join(problems)}; it is on {place}"
        why = "; ".join(filter(None, (returned.result.problem, why)))
        return replace(result, status=Status.UNKNOWN, problem=why)

    def _with_received(self, job: Job, result: JobResult) -> JobResult:
        """Return a result with the run of which only lines of the journal were received, if there is one."""
        with self._lock:
            received = self._received.get(job.id)
            if received is None:
                return result
            size = os.fstat(received.file).st_size
            os.fsync(received.file)
        problem = (
            f"{result.problem}; {size} bytes of the run's journal were received; all its evidence is on "
            f"{received.place}"
        )
        return replace(result, path=str(received.run), problem=problem)

    def _watch(self) -> None:
        """Pass on the fleet's stop, and notice that no worker is left."""
        import distributed  # noqa: PLC0415 - an extra; here it is loaded

        stopped = False
        alone_since: float | None = None
        while not self._done.wait(_INTERVAL):
            with contextlib.suppress(OSError, RuntimeError):  # the scheduler is not reached now
                if self.claims.stopped and not stopped:
                    distributed.Event(stop_event(str(self.claims.path)), client=self._client).set()  # type: ignore[no-untyped-call]
                    stopped = True
                workers = self._client.scheduler_info(n_workers=-1)["workers"]
                alone_since = None if workers else alone_since or time.monotonic()
            if alone_since and time.monotonic() - alone_since > _NO_WORKER:
                self._give_up()

    def _give_up(self) -> None:
        """End the jobs that were begun: no worker is left that could report their end."""
        with self._lock:
            begun = [(name, inner) for name, (_, inner, _) in self._open.items() if name in self._received]
        for name, inner in begun:
            self._end(name, self._lost)
            inner.cancel()

    def _lost(self, job: Job, _: Future[Any]) -> JobResult:
        problem = f"the cluster has had no worker for {_NO_WORKER:g} s; the run may still be running"
        return self._with_received(job, JobResult(job.id, problem=problem))
