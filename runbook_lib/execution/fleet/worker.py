"""A process that runs jobs, one after another: a line of JSON in, a line of JSON out.

`python -m runbook_lib.execution.fleet.worker`; see `runbook_lib.execution.fleet.worker_pool`. Each run has its
main thread, which receives signals, and what was imported for one run is there for the next.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from runbook_lib.execution.fast_import import load_papermill
from runbook_lib.execution.fleet.job import Job, JobResult
from runbook_lib.model.status import Status
from runbook_lib.printing.standard_streams import install
from runbook_lib.signal_handlers import STOP_SIGNALS

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["main"]


class _Worker:
    """Notes signals also while no run is there to handle them."""

    def __init__(self) -> None:
        self._signal = 0
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)  # see `worker_pool`

    def run(self, job: Job) -> JobResult:
        """Run a job, unless a signal has stopped this process."""
        if self._signal:
            return JobResult(
                job.id, status=Status.INTERRUPTED, problem="not run: interrupted", interrupted=True
            )
        from runbook_lib.execution.fleet.run_job import run_job  # noqa: PLC0415 - papermill is loaded quickly before

        return run_job(job, self._repeat_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signal = number

    def _repeat_signal(self, entry: dict[str, Any]) -> None:
        # The signal came before the run could handle it: now it can.
        if entry["event"] == "run_started" and self._signal:
            os.kill(os.getpid(), self._signal)


def main() -> None:
    """Read and run jobs until standard input is closed."""
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    logging.getLogger("papermill").setLevel(logging.ERROR)  # parameters were checked, and more strictly
    # Output of kernels and libraries must not mix with the results.
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    install()
    # Dask's processes ignore it; this process has a session of its own, and what it starts has the default.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    worker = _Worker()
    load_papermill()
    for line in sys.stdin.buffer:  # UTF-8, whatever the locale
        result = worker.run(Job.from_json(line.decode()))
        try:
            results.write(f"{result.json}\n")
            results.flush()
        except BrokenPipeError:
            # The parent process has died; the run's own journal says how the run ended.
            os._exit(0)


if __name__ == "__main__":
    main()
