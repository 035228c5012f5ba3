"""Run a shell script; measure its time and the memory of all its processes."""

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

__all__ = ["Sample", "process_tree", "timed"]

_SAMPLE_INTERVAL = 0.2  # seconds: each sample of the memory takes time from what is measured


@dataclass(frozen=True)
class Sample:
    """One execution.

    Args:
        seconds: From start to exit.
        memory: Peak of the bytes that all its processes used together; pages shared between them count once.
        round_trips: Round trips on the network, of all hosts together; None if nothing counts them.
    """

    seconds: float
    memory: int
    round_trips: int | None = None


def timed(script: str, environment: Mapping[str, str], cwd: Path, timeout: float) -> Sample:
    """Run a script with `sh -e`.

    Raises:
        RuntimeError: The script did not exit with 0, or not in time.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            ["sh", "-e", "-c", script],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with _Memory(process.pid) as memory:
            try:
                # `Popen.wait` with a timeout polls twenty times a second, so it would measure too long a time.
                exited = _exits(process.pid, timeout)
                seconds = time.perf_counter() - began
            finally:
                # The script exited, took too long, or was interrupted: none of its processes may remain.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
        if code != 0:
            output.seek(0)
            end = f"exited with {code}" if exited else f"still running after {timeout:g} s"
            raise RuntimeError(f"{script}\n{end}:\n{output.read()[-3000:]}")
    return Sample(seconds, memory.peak)


class _Memory:
    """Samples the memory of a process and its descendants during a `with` block.

    Args:
        top: Id of the process.
    """

    def __init__(self, top: int) -> None:
        self.peak = 0
        self._top = top
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._done.wait(_SAMPLE_INTERVAL):
            self.peak = max(self.peak, sum(map(_memory, process_tree(self._top))))


def _memory(process: psutil.Process) -> int:
    try:
        used: int = process.memory_full_info().pss
    except psutil.Error:
        return 0  # the process has exited
    return used


def _exits(pid: int, timeout: float) -> bool:
    """Wait for a child to exit; return whether it did in time. The child is not reaped."""
    handle = os.pidfd_open(pid)
    try:
        return bool(select.select([handle], [], [], timeout)[0])
    finally:
        os.close(handle)


def process_tree(top: int) -> list[psutil.Process]:
    """Return a process and its descendants; nothing if the process has exited."""
    try:
        process = psutil.Process(top)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
