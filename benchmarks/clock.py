"""Run a shell script, and tell its time and the memory of all its processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Sample", "below", "timed"]

_LOOK = 0.05  # seconds between two looks at the memory
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """One execution.

    Args:
        seconds: From its start to its end.
        memory: Bytes that all its processes together held at most (resident; shared pages count in each).
    """

    seconds: float
    memory: int


def timed(script: str, environment: Mapping[str, str], cwd: Path, timeout: float) -> Sample:
    """Run a script with `sh -e`.

    Raises:
        RuntimeError: It did not end with 0, or not in time.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            ["sh", "-e", "-c", script],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        most, code = 0, None
        try:
            while code is None and time.perf_counter() - began < timeout:
                try:
                    code = process.wait(_LOOK)
                except subprocess.TimeoutExpired:
                    most = max(most, sum(below(process.pid).values()))
            seconds = time.perf_counter() - began
        finally:
            # It has ended, or took too long, or we were interrupted: nothing of it stays.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if code != 0:
            said.seek(0)
            end = f"ended with {code}" if code is not None else f"did not end in {timeout:g} s"
            raise RuntimeError(f"{script}\n{end}:\n{said.read()[-3000:]}")
    return Sample(seconds, most)


def below(top: int) -> dict[int, int]:
    """Return a process and all below it, each with the bytes that it holds."""
    children: dict[int, list[int]] = {}
    pages: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(path.parent.name)
        children.setdefault(int(fields[1]), []).append(pid)
        pages[pid] = int(fields[21])
    found, todo = {}, [top]
    while todo:
        pid = todo.pop()
        found[pid] = pages.get(pid, 0) * _PAGE
        todo += children.get(pid, [])
    return found
