"""Units in processes of their own on this machine, each heard and interrupted by itself."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from runbook_lib.execution.fleet.claims import Claims
from runbook_lib.execution.fleet.job import Result, Unit
from runbook_lib.execution.notebook.run_notebook import Outcome

__all__ = ["Processes", "in_a_process"]

_POLL = 0.2  # seconds between two looks at whether the fleet was stopped
_ENDS_WITHIN = 5.0  # seconds that an idle process has to end
_MODULE = "runbook_lib.execution.fleet.worker"


class _Process:
    """One process; its errors go to a file in the fleet's directory.

    It is not of our process group: a Ctrl-C reaches it once, through us.
    """

    def __init__(self, unit: Unit) -> None:
        log = os.open(
            Path(unit.fleet) / "workers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE],
                cwd=unit.project,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def carry_out(self, unit: Unit) -> Result:
        """Have a unit carried out; interrupt it once the fleet is stopped."""
        claims, told = Claims(Path(unit.fleet)), False
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin  # noqa: S101 - both are pipes
        assert stdout  # noqa: S101 - as above
        with contextlib.suppress(BrokenPipeError):
            stdin.write(f"{unit.json}\n".encode())
            stdin.flush()
        said = b""
        while not said.endswith(b"\n"):
            if claims.stopped and not told:
                self._process.send_signal(signal.SIGINT)
                told = True
            if not select.select([stdout], [], [], _POLL)[0]:
                continue
            piece = os.read(stdout.fileno(), 65536)
            if not piece:
                return self._died(unit, claims)
            said += piece
        return Result.of(said.decode())

    def close(self) -> None:
        """End it, once it has nothing more to do."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _died(self, unit: Unit, claims: Claims) -> Result:
        code = self._process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        problem = f"the process that carried it out {how}"
        path = claims.run_of(unit.id)
        if path is None:
            return Result(unit.id, problem=f"{problem} before a run was begun")
        return Result(unit.id, path=str(path), status=Outcome.read(path).status, problem=problem)


class Processes:
    """Processes for as many units as are carried out at the same time; kept for the units that follow."""

    def __init__(self) -> None:
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        while not self._idle.empty():
            self._idle.get().close()

    def carry_out(self, unit: Unit) -> Result:
        """Carry a unit out in a process that has nothing to do, or a new one."""
        try:
            process = self._idle.get_nowait()
        except queue.Empty:
            process = _Process(unit)
        result = process.carry_out(unit)
        if process.alive:
            self._idle.put(process)
        else:
            process.close()
        return result


def in_a_process(unit: Unit) -> Result:
    """Carry a unit out in a process of its own: what a Dask worker's thread is asked to do.

    Raises:
        InputError: This machine does not see the fleet's directory.
    """
    Claims(Path(unit.fleet))
    process = _Process(unit)
    try:
        return process.carry_out(unit)
    finally:
        process.close()
