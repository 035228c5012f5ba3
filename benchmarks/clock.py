"""Run a shell script, and tell its time and the memory of all its processes."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Sample", "below", "timed"]

_LOOK = 0.2  # seconds between two looks at the memory: each takes time from what is measured


@dataclass(frozen=True)
class Sample:
    """One execution.

    Args:
        seconds: From its start to its end.
        memory: Bytes that all its processes together held at most (pages that several of them share count once).
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
        with _Memory(process.pid) as memory:
            try:
                # `Popen.wait` with a timeout looks twenty times a second, and so tells too long a time.
                ended = _ends(process.pid, timeout)
                seconds = time.perf_counter() - began
            finally:
                # It has ended, or took too long, or we were interrupted: nothing of it stays.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
        if code != 0:
            said.seek(0)
            end = f"ended with {code}" if ended else f"did not end in {timeout:g} s"
            raise RuntimeError(f"{script}\n{end}:\n{said.read()[-3000:]}")
    return Sample(seconds, memory.most)


class _Memory:
    """Looks at what a process and all below it hold, for the time of a `with` block.

    Args:
        top: The process.
    """

    def __init__(self, top: int) -> None:
        self.most = 0
        self._top = top
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK):
            self.most = max(self.most, sum(map(_held, below(self._top))))


def _held(process: psutil.Process) -> int:
    try:
        held: int = process.memory_full_info().pss
    except psutil.Error:
        return 0  # it has ended
    return held


def _ends(pid: int, timeout: float) -> bool:
    """Wait for a child's end; return whether it came in time. The child is still to be reaped."""
    handle = os.pidfd_open(pid)
    try:
        return bool(select.select([handle], [], [], timeout)[0])
    finally:
        os.close(handle)


def below(top: int) -> list[psutil.Process]:
    """Return a process and all below it; nothing where it has ended."""
    try:
        process = psutil.Process(top)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
