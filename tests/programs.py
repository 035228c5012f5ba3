"""Programs that tests start, each with a process group of its own, and their end whatever happens.

A test kills only what it has started: a group whose leader this process has not yet waited for, so that its
number cannot have become another's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from tests.aftermath import AFTERMATH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Programs", "end_group"]


class Programs:
    """What one test has started; the fixture `programs` ends it."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[Any]] = []

    def start(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - Popen's
        """Start a program; its output is text, both streams in one, unless the options say otherwise."""
        usual = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process: subprocess.Popen[str] = subprocess.Popen(
            command, **{**usual, "start_new_session": True, **options}
        )
        self._started.append(process)
        AFTERMATH.begun(process)
        return process

    def end(self) -> None:
        """End all that is still running, the last one first."""
        while self._started:
            end_group(self._started.pop())


def end_group(process: subprocess.Popen[Any]) -> None:
    """Kill a program with its process group, unless it has ended; wait for it and close its pipes."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            leader = os.getpgid(process.pid) == process.pid
            if leader:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
