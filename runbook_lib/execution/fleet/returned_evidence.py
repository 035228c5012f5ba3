"""Keep the evidence that Dask workers send back: journals while their runs are running, then all files.

What a worker sends is checked: each file by its SHA-256 once it is on disk, and the journal by what was received of it
before. Files are only ever added below a run's directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self

from runbook_lib import file_lock
from runbook_lib.atomic import replace_file, sync_directory, write_fully
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.execution.fleet.job import Job, JobResult
from runbook_lib.execution.fleet.remote_worker import ReturnedRun, stop_event, topic

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
        for received in self._received.values():
            os.close(received.file)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - as Executor
        """Have a worker run a job, the only argument; the future's result is a `JobResult`."""
        (job,) = args
        inner: Future[Any] = self._executor.submit(fn, job, **kwargs)
        outer: Future[JobResult] = Future()
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
        if outer.set_running_or_notify_cancel():
            outer.set_result(outcome(job, inner))

    def _outcome(self, job: Job, inner: Future[Any]) -> JobResult:
        if inner.cancelled():
            return self._with_received(job, JobResult(job.id, problem="Dask has canceled the job"))
        if problem := inner.exception():
            return self._with_received(job, JobResult(job.id, problem=f"{type(problem).__name__}: {problem}"))
        returned = inner.result()
        if isinstance(returned, ReturnedRun):
            return self._kept(job, returned)
        result: JobResult = returned
        return result if result.path else self._with_received(job, result)

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
        run = self._runs / _name_of_run(message["run"])
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
        """Keep all files of a job's runs; return its result, with the run's directory here."""
        result = returned.result
        here = str(self._runs / Path(result.path).name) if result.path else ""
        with self._lock:
            try:
                for file in returned.files:
                    self._keep(file.path, file.content, file.sha256)
            except (OSError, EvidenceError) as problem:
                place = self._received[job.id].place if job.id in self._received else result.machine
                problem_here = f"the evidence cannot be kept here: {problem}; it is on {place}"
                return replace(result, path=here, status=JobResult(job.id).status, problem=problem_here)
            if here:
                sync_directory(self._runs)
            if received := self._received.pop(job.id, None):
                os.close(received.file)
        return replace(result, path=here)

    def _keep(self, name: str, content: bytes, sha256: str) -> None:
        parts = PurePosixPath(name).parts
        if ".." in parts or len(parts) < 2 or PurePosixPath(name).is_absolute():  # noqa: PLR2004 - run and file
            raise EvidenceError("not a file of a run", where=name)
        path = self._runs / _name_of_run(parts[0]) / Path(*parts[1:])
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if parts[1:] == (JOURNAL,) and path.exists():
            _complete(path, content)
        else:
            replace_file(path, content, durable=True)
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise EvidenceError("differs from the file on the worker", where=str(path))

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
        problem = f"no worker is left in the cluster for {_NO_WORKER:g} s; the run may still be running"
        return self._with_received(job, JobResult(job.id, problem=problem))


def _name_of_run(name: str) -> str:
    """Return the name of a run's directory.

    Raises:
        EvidenceError: It is none: a worker must not write elsewhere.
    """
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise EvidenceError("not the name of a run", where=name)
    return name


def _complete(path: Path, content: bytes) -> None:
    """Append the rest to a journal of which the beginning was received before.

    Raises:
        EvidenceError: The beginning differs.
    """
    before = path.read_bytes()
    if not content.startswith(before):
        raise EvidenceError(
            "differs from the lines that were received while the run was running", where=str(path)
        )
    with path.open("ab") as file:
        file.write(content[len(before) :])
        file.flush()
        os.fsync(file.fileno())
