"""The process that runs this run's kernel: without it nobody hears what the run does."""

from __future__ import annotations

import os

from runbook_lib.process_identity import start_ticks

__all__ = ["RUNNER", "Runner", "this_process"]

RUNNER = "RUNBOOK_RUNNER"
"""Environment variable by which our engine tells a kernel who runs it."""


def this_process() -> str:
    """Return what stands in `RUNNER` for this process."""
    return f"{os.getpid()}:{start_ticks(os.getpid())}"


class Runner:
    """Whoever runs this process, as `RUNNER` tells it; where nobody is told, it is never gone."""

    def __init__(self) -> None:
        pid, _, start = os.environ.get(RUNNER, "").partition(":")
        self.pid = int(pid) if pid.isdigit() else 0
        self._began = int(start) if start.isdigit() else 0

    @property
    def told(self) -> bool:
        """Whether our engine runs this process: a cell's error is the end of the run then."""
        return bool(self.pid)

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return self.told and start_ticks(self.pid) != self._began
