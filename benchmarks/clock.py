"""Run a shell script, and tell its time and the memory of all its processes."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Sample", "timed"]

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
        most = 0
        while True:
            try:
                code: int | None = process.wait(_LOOK)
                break
            except subprocess.TimeoutExpired:
                most = max(most, _memory(process.pid))
            if time.perf_counter() - began > timeout:
                os.killpg(process.pid, 9)
                process.wait()
                code = None
                break
        seconds = time.perf_counter() - began
        if code != 0:
            said.seek(0)
            end = f"ended with {code}" if code is not None else f"did not end in {timeout:g} s"
            raise RuntimeError(f"{script}\n{end}:\n{said.read()[-3000:]}")
    return Sample(seconds, most)


def _memory(top: int) -> int:
    """Bytes that a process and all below it hold."""
    parents: dict[int, list[int]] = {}
    pages: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(path.parent.name)
        parents.setdefault(int(fields[1]), []).append(pid)
        pages[pid] = int(fields[21])
    found, todo = 0, [top]
    while todo:
        pid = todo.pop()
        found += pages.get(pid, 0)
        todo += parents.get(pid, [])
    return found * _PAGE
