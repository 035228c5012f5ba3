"""What two threads of a command share is never seen half changed."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console

from runbook_lib.cli.background_run import BackgroundRun
from runbook_lib.cli.live_table import LiveTable
from runbook_lib.execution.fleet.claims import Claims
from runbook_lib.execution.fleet.job import Job, JobResult
from runbook_lib.model.status import Status
from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


JOB = Job("fleet/1", "one", "x", "x.ipynb", {}, "runs", [], [], [], changes=False, project="/")


class Watched:
    """A job that has something done when its row is drawn, as another thread may do it just then."""

    def __init__(self, job: Job) -> None:
        self.id = job.id
        self._label = job.label
        self.meanwhile: Callable[[], object] = lambda: None

    @property
    def label(self) -> str:
        self.meanwhile()
        return self._label


def test_the_table_is_drawn_while_jobs_start_and_end(tmp_path: Path) -> None:
    table = LiveTable(Claims.new(tmp_path / "runs"), 4)
    watched = Watched(JOB)
    first = cast("Job", watched)
    other = replace(JOB, id="fleet/2", label="other")

    def start_and_end() -> None:
        watched.meanwhile = lambda: None
        table.started(other)
        table.ended(first, JobResult(first.id, status=Status.OK))

    table.started(first)
    watched.meanwhile = start_and_end
    console = Console(width=80)
    for expected in ("one", "other"):
        with console.capture() as drawn:
            console.print(table._table())  # noqa: SLF001 - as rich calls it, in its own thread
        assert f"{expected} " in drawn.get()


def test_a_stop_while_the_chain_is_being_started_stops_it() -> None:
    stopping: list[threading.Thread] = []

    def prepare() -> None:
        def watch(frame: Any, event: str, _: Any) -> None:  # noqa: ANN401 - Python's
            if event == "call" and frame.f_code is subprocess.Popen.__init__.__code__ and not stopping:
                stopping.append(threading.Thread(target=chain.stop))
                stopping[0].start()
                stopping[0].join(0.3)  # long enough to find no process, unless it waits for this one

        sys.setprofile(watch)  # in the thread that starts the process

    chain = BackgroundRun((), prepare)
    chain._command = [sys.executable, "-c", "import time; time.sleep(20)"]  # noqa: SLF001 - it takes its time
    with chain:
        code, _ = chain.wait(lambda _: None)
        stopping[0].join(deadline(30))
    assert code != 0
    assert not stopping[0].is_alive()
