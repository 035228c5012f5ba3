"""A Dask cluster as an operator starts it: a scheduler and two workers, in processes of their own."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING

from tests.deadlines import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.execution.fleet.project import Project

__all__ = ["running"]


@contextlib.contextmanager
def running(
    project: Project, within: Sequence[str] = (), options: Sequence[str] = ()
) -> Iterator[tuple[str, list[int]]]:
    """Run a cluster; its output is in `cluster.log` of the project.

    Args:
        project: What the workers work in.
        within: What each worker is started by, such as `unshare`.
        options: Further options of the workers.

    Yields:
        The scheduler's address, and the ids of the processes that the workers were started as.
    """
    file, log_file = project.top / "scheduler.json", project.top / "cluster.log"
    program = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    where = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard"]
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(log_file.open("w"))

        def start(command: list[str]) -> int:
            process = project.programs.start(
                command, cwd=project.top, env=project.environment(), stdout=log, stderr=log
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process.pid

        start([*program, *where])
        wait_until(lambda: file.exists() and file.read_text(encoding="utf-8"), "a scheduler (cluster.log)")
        address: str = json.loads(file.read_text(encoding="utf-8"))["address"]
        workers = [start([*within, *worker, *options, address]) for _ in range(2)]
        wait_until(
            lambda: log_file.read_text(encoding="utf-8").count("Registered to") >= len(workers),
            "two workers (cluster.log)",
        )
        yield address, workers
