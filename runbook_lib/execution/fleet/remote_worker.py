"""What a Dask worker does with a job: runs it, and sends its evidence back if it shares no directory with us.

A worker that does not see the fleet's directory keeps its evidence in its own. While the run is running, it sends each
line of the journal; afterwards all files, with their SHA-256. The scheduler keeps who began which job, so that no other
worker begins it again.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import platform
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import InputError
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.execution.fleet.claims import Claims
from runbook_lib.execution.fleet.job import JobResult
from runbook_lib.execution.fleet.job_runs import runs_directory, runs_of
from runbook_lib.execution.fleet.worker_pool import run_in_own_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.execution.fleet.job import Job

__all__ = ["ReturnedFile", "ReturnedRun", "run_on_worker", "stop_event", "topic"]

_log = logging.getLogger(__name__)
_INTERVAL = 0.3  # seconds between two looks at the journal
_LAST_LINES = 10.0  # seconds for sending the journal's last lines
_STARTED = "runbook-jobs"  # what the scheduler's metadata have of jobs
_OWN = ".worker"  # ends the name of a fleet's directory on a worker that does not share the fleet's own


@dataclass(frozen=True)
class ReturnedFile:
    """A file of a run's evidence.

    Args:
        path: Below the directory for runs, with `/`.
        content: Its bytes.
        sha256: Of the file as it was read on the worker.
    """

    path: str
    content: bytes
    sha256: str


@dataclass(frozen=True)
class ReturnedRun:
    """How a job ended on a worker that shares no directory with us, and its evidence.

    Args:
        result: The result; its path is the worker's.
        files: All files of the runs that the job made.
    """

    result: JobResult
    files: tuple[ReturnedFile, ...]


def topic(fleet: str) -> str:
    """Return the topic of Dask's events that has the lines of a fleet's journals.

    Args:
        fleet: The fleet's directory, of which the name counts.
    """
    return f"runbook-journal-{Path(fleet).name}"


def stop_event(fleet: str) -> str:
    """Return the name of Dask's event that is set when a fleet is stopped; see `topic`."""
    return f"runbook-stop-{Path(fleet).name}"


def run_on_worker(job: Job) -> JobResult | ReturnedRun:
    """Run a job in a process of its own: what Dask calls in a thread of its worker.

    Raises:
        InputError: The runbook does not exist on this worker.
    """
    if Path(job.fleet).is_dir():
        return run_in_own_process(job)
    if not Path(job.notebook).is_file():
        raise InputError(
            "the runbook does not exist on this worker",
            where=f"{platform.node()}: {job.notebook}",
            hint="copy the project to the same path on each worker; no host was touched",
        )
    here = replace(job, fleet=f"{job.fleet}{_OWN}")
    Path(here.fleet).mkdir(mode=0o700, parents=True, exist_ok=True)
    claims = Claims(Path(here.fleet))
    if (owner := _begun_elsewhere(job)) and not claims.was_claimed(job.id):
        return JobResult(
            job.id,
            attempt=2,
            machine=platform.node(),
            problem=f"{owner} began the run and was lost; the run may still be running there, and is not begun again",
        )
    with _sending_journal(job, claims):
        result = run_in_own_process(here)
    return ReturnedRun(result, tuple(_files(job)))


def _begun_elsewhere(job: Job) -> str:
    """Note that this worker begins a job; return the worker that has begun it before, or nothing."""
    import distributed  # noqa: PLC0415 - an extra; this is called by it

    client: Any = distributed.get_client()
    key = [_STARTED, job.id]
    owner = str(client.get_metadata(key, default=None) or "")
    if not owner:
        client.set_metadata(key, f"worker {platform.node()} ({distributed.get_worker().address})")
    return owner


@contextlib.contextmanager
def _sending_journal(job: Job, claims: Claims) -> Iterator[None]:
    """Send the journal's lines while the block runs, and stop the run when the fleet is stopped."""
    import distributed  # noqa: PLC0415 - as above

    worker: Any = distributed.get_worker()
    stop: Any = distributed.Event(stop_event(job.fleet), client=distributed.get_client())  # type: ignore[no-untyped-call]
    done = threading.Event()
    sender = _JournalSender(job, claims, worker)

    def work() -> None:
        ended = False
        while not ended:
            ended = done.wait(_INTERVAL)
            try:
                sender.send_new_lines()
                if not ended and stop.is_set():
                    claims.stop()
            except (OSError, RuntimeError) as problem:  # the run goes on without the network
                _log.warning("cannot reach the scheduler: %s", problem)

    thread = threading.Thread(target=work, name="journal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(_LAST_LINES)


class _JournalSender:
    """Sends the complete lines of a job's journal, each once.

    Args:
        job: The job.
        claims: The claims of this worker, which name the run.
        worker: Dask's worker.
    """

    def __init__(self, job: Job, claims: Claims, worker: Any) -> None:  # noqa: ANN401 - an extra's
        self._job = job
        self._claims = claims
        self._worker = worker
        self._sent = 0
        self._run: Path | None = None

    def send_new_lines(self) -> None:
        """Send what was added since the last call."""
        run = self._claims.latest_run(self._job.id)
        if run is None:
            return
        if run != self._run:
            self._run, self._sent = run, 0
        try:
            with (run / JOURNAL).open("rb") as file:
                file.seek(self._sent)
                piece = file.read()
        except FileNotFoundError:
            return
        piece = piece[: piece.rfind(b"\n") + 1]
        if not piece:
            return
        message = {
            "job": self._job.id,
            "machine": platform.node(),
            "run": run.name,
            "place": str(run),
            "offset": self._sent,
            "lines": piece,
        }
        self._worker.log_event(topic(self._job.fleet), message)
        self._sent += len(piece)


def _files(job: Job) -> Iterator[ReturnedFile]:
    """Yield the files of all runs that a job made."""
    runs = runs_directory(job)
    for run in sorted(runs_of(job, runs)):
        for path in sorted(run.rglob("*")):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                name = path.relative_to(runs).as_posix()
                yield ReturnedFile(name, content, hashlib.sha256(content).hexdigest())
