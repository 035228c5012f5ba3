"""Run one runbook through papermill in a kernel of its own, and judge by its journal.

papermill's own word is not taken: it calls cells completed after a kernel was killed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import tempfile
import threading
from typing import TYPE_CHECKING, Any, Self

import papermill
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillException

from runbook_lib.errors import EvidenceError, RunbookError
from runbook_lib.execution.warm.provisioner import choose
from runbook_lib.journal.reader import read_run
from runbook_lib.model import RunRecord, Status
from runbook_lib.runbook import directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runbook_lib.execution.catalog import Entry
    from runbook_lib.parameters import Parameters

__all__ = ["Outcome", "exit_code", "run"]

_log = logging.getLogger(__name__)
_POLL = 0.1  # seconds between two looks at the journal
_LAST_WORDS = 30.0  # seconds that an interrupted kernel has to end its run

_CODES = {
    Status.FAILED: 1,
    Status.UNREACHABLE: 3,
    Status.INTERRUPTED: 4,
    Status.UNKNOWN: 4,
}


class Outcome:
    """How a headless run ended.

    Args:
        path: The run directory.
        record: What the journal tells; None where there is none.
        problem: What went wrong outside of any step, in words.
    """

    def __init__(self, path: Path, record: RunRecord | None, problem: str = "") -> None:
        self.path = path
        self.record = record
        self.problem = problem

    @classmethod
    def read(cls, path: Path, problem: str = "") -> Self:
        """Return the outcome that a run directory's journal tells; without one its record is None."""
        try:
            return cls(path, read_run(path), problem)
        except EvidenceError as nothing:
            return cls(path, None, problem or str(nothing))

    @property
    def status(self) -> Status:
        """The run's status; without a journal it is unknown."""
        return self.record.status if self.record else Status.UNKNOWN


def exit_code(status: Status) -> int:
    """Return the exit code for a run's status: 0 only for a run that ended well."""
    return _CODES.get(status, 0)


def run(
    entry: Entry, parameters: Parameters, values: dict[str, Any], tell: Callable[[dict[str, Any]], None]
) -> Outcome:
    """Run a runbook and wait for its end.

    SIGINT and SIGTERM are passed to the kernel as an interrupt, so that it can end its journal.

    Args:
        entry: The runbook.
        parameters: As checked.
        values: What was given beyond the notebook's defaults; papermill injects these.
        tell: Called with each journal entry as it appears.

    Raises:
        EvidenceError: The run directory cannot be made.
    """
    path = directory.new(directory.project_top() / parameters.runs, parameters.runbook)
    with tempfile.TemporaryDirectory(prefix="runbook-kernel-") as sockets:
        problem = _follow(entry, path, values, _Kernel(path, sockets), tell)
    for file in path.glob("*.ipynb"):
        file.chmod(0o600)
    return Outcome.read(path, problem)


def _follow(
    entry: Entry, path: Path, values: dict[str, Any], kernel: _Kernel, tell: Callable[[dict[str, Any]], None]
) -> str:
    """Run the notebook in a thread and tell its journal meanwhile; return what went wrong, in words."""
    problem: list[str] = []
    worker = threading.Thread(target=_execute, args=(entry, path, values, kernel, problem), name="papermill")
    with _interrupts_passed_to(kernel, problem):
        worker.start()
        follow = _Follow(path / "journal.jsonl", tell)
        while worker.is_alive():
            follow.more()
            worker.join(_POLL)
        follow.more()
    return "; ".join(problem)


def _execute(entry: Entry, path: Path, values: dict[str, Any], kernel: _Kernel, problem: list[str]) -> None:
    try:
        papermill.execute_notebook(
            entry.path,
            path / "notebook.ipynb",
            parameters=values,
            progress_bar=False,
            cwd=str(directory.project_top()),
            kernel_manager_class=kernel.manager_class,
            raise_on_iopub_timeout=True,
        )
    except (
        PapermillException,
        DeadKernelError,
        CellTimeoutError,
        RunbookError,
        OSError,
        RuntimeError,
    ) as failure:
        problem.append(_first_lines(failure))


class _Kernel:
    """The kernel of one run, known to us while papermill owns it.

    Args:
        path: The run directory, told to the kernel by its environment.
        sockets: A directory of ours for the kernel's sockets; by default they would lie in the current one.
    """

    def __init__(self, path: Path, sockets: str) -> None:
        self._managers: list[AsyncKernelManager] = []
        managers = self._managers

        class Manager(AsyncKernelManager):
            """A kernel of its own environment, reached over IPC: no port is opened."""

            def __init__(self, **traits: Any) -> None:  # noqa: ANN401 - traitlets
                super().__init__(**{**traits, "transport": "ipc", "ip": f"{sockets}/kernel"})
                managers.append(self)

            async def _async_start_kernel(self, **options: Any) -> None:  # noqa: ANN401 - jupyter_client's signature
                choose(self)
                environment = {**os.environ, directory.RUN_DIRECTORY: str(path)}
                await super()._async_start_kernel(**{**options, "env": environment})

            start_kernel = _async_start_kernel

        self.manager_class = Manager

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the kernel's process group, if it runs."""
        for manager in self._managers:
            group = getattr(manager.provisioner, "pgid", None)
            if group:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, number)


@contextlib.contextmanager
def _interrupts_passed_to(kernel: _Kernel, problem: list[str]) -> Iterator[None]:
    """Interrupt the kernel on SIGINT and SIGTERM; end it where it does not end its run in time."""
    late = threading.Timer(_LAST_WORDS, kernel.signal, args=(signal.SIGKILL,))
    late.daemon = True

    def on_signal(number: int, _frame: object) -> None:
        name = signal.Signals(number).name
        _log.warning("%s: stopping after the command under way", name)
        kernel.signal(signal.SIGINT)
        if not problem:
            late.start()
        problem.append(f"{name} received")

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        late.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


class _Follow:
    """Tell a journal's new lines as they appear."""

    def __init__(self, path: Path, tell: Callable[[dict[str, Any]], None]) -> None:
        self._path = path
        self._tell = tell
        self._position = 0

    def more(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._position += len(line)
                self._tell(json.loads(line))


def _first_lines(failure: BaseException) -> str:
    lines = [line for line in str(failure).splitlines() if line.strip()]
    return " ".join(lines[-2:]) if lines else type(failure).__name__
