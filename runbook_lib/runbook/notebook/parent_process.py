"""The process that started this run's kernel: once it has exited, nobody receives the run's output."""

from __future__ import annotations

import os
from pathlib import Path

from runbook_lib.errors import EvidenceError
from runbook_lib.process_identity import start_ticks

__all__ = ["PARENT_PROCESS", "ParentProcess", "identify_this_process", "report_to_engine"]

PARENT_PROCESS = "RUNBOOK_RUNNER"
"""Environment variable by which our engine passes its own process to the kernel."""


def identify_this_process() -> str:
    """Return the value of `PARENT_PROCESS` for this process: process id and start time."""
    return f"{os.getpid()}:{start_ticks(os.getpid())}"


def report_to_engine(variable: str, line: str, what: str, *, where: str = "", hint: str = "") -> None:
    """Write a line to a file in which our engine expects it; nothing if it has not started this process.

    Args:
        variable: Environment variable with the file's name.
        line: The line, without its end.
        what: What is reported, for messages, such as `the run`.
        where: What an error is about; without it the file.
        hint: What a person can do, or need not do, about an error.

    Raises:
        EvidenceError: It cannot be written.
    """
    file = os.environ.get(variable)
    if not file:
        return
    try:
        with Path(file).open("a", encoding="utf-8") as opened:
            opened.write(f"{line}\n")
    except OSError as problem:
        raise EvidenceError(
            f"{what} cannot be reported to the process that started this kernel: {problem.strerror or problem}",
            where=where or file,
            hint=hint,
        ) from problem


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
