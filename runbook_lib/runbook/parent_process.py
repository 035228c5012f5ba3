"""The process that started this run's kernel: once it has exited, nobody receives the run's output."""

from __future__ import annotations

import os

from runbook_lib.process_identity import start_ticks

__all__ = ["PARENT_PROCESS", "ParentProcess", "identify_this_process"]

PARENT_PROCESS = "RUNBOOK_RUNNER"
"""Environment variable by which our engine passes its own process to the kernel."""


def identify_this_process() -> str:
    """Return the value of `PARENT_PROCESS` for this process: process id and start time."""
    return f"{os.getpid()}:{start_ticks(os.getpid())}"


class ParentProcess:
    """The process that `PARENT_PROCESS` names; if the variable is not set, it counts as never gone."""

    def __init__(self) -> None:
        pid, _, start = os.environ.get(PARENT_PROCESS, "").partition(":")
        self.pid = int(pid) if pid.isdigit() else 0
        self._start_ticks = int(start) if start.isdigit() else 0

    @property
    def known(self) -> bool:
        """Whether our engine started this process: if so, an error in a cell ends the run."""
        return bool(self.pid)

    @property
    def gone(self) -> bool:
        """Whether the parent process has exited."""
        return self.known and start_ticks(self.pid) != self._start_ticks
