"""Run one runbook through papermill in a kernel of its own, and judge by its journal.

papermill's own word is not taken: it calls cells completed after a kernel was killed.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillException

from runbook_lib.errors import RunbookError
from runbook_lib.evidence.follower import JournalFollower
from runbook_lib.execution.notebook.engine import NAME, RunbookEngine
from runbook_lib.execution.notebook.kernel_process import Kernel
from runbook_lib.execution.notebook.outcome import Outcome, exit_code
from runbook_lib.execution.notebook.signal_forwarding import passed_on
from runbook_lib.project import project_top
from runbook_lib.runbook import run_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runbook_lib.execution.catalog import Entry
    from runbook_lib.parameters import Parameters

__all__ = ["Outcome", "exit_code", "run"]

_POLL = 0.03  # seconds between two looks at the journal

# As its entry point does, which is only there once this project is installed.
papermill_engines.register(NAME, RunbookEngine)


def run(
    entry: Entry, parameters: Parameters, values: dict[str, Any], report: Callable[[dict[str, Any]], None]
) -> Outcome:
    """Run a runbook and wait for its end.

    SIGINT and SIGTERM are passed to the kernel as an interrupt, so that it can end its journal.

    Args:
        entry: The runbook.
        parameters: As checked.
        values: What was given beyond the notebook's defaults; papermill injects these.
        report: Called with each journal entry as it appears.

    Raises:
        EvidenceError: The run directory cannot be made.
    """
    path = run_directory.new(project_top() / parameters.runs, parameters.runbook)
    with Kernel(path) as kernel, passed_on(kernel):
        problem = _follow(entry, path, values, kernel, report)
    return Outcome.read(path, problem)


def _follow(
    runbook: Entry,
    path: Path,
    values: dict[str, Any],
    kernel: Kernel,
    report: Callable[[dict[str, Any]], None],
) -> str:
    """Run the notebook in a thread and report its journal entries meanwhile; return what went wrong, in words."""
    problem: list[str] = []
    worker = threading.Thread(
        target=_execute, args=(runbook, path, values, kernel, problem), name="papermill"
    )
    worker.start()
    follower = JournalFollower(path)
    while worker.is_alive():
        for entry in follower.new_entries():
            report(entry)
        worker.join(_POLL)
    for entry in follower.new_entries():
        report(entry)
    return "; ".join([*([kernel.interrupted] if kernel.interrupted else []), *problem])


def _execute(entry: Entry, path: Path, values: dict[str, Any], kernel: Kernel, problem: list[str]) -> None:
    try:
        papermill.execute_notebook(
            entry.path,
            path / "notebook.ipynb",
            parameters=values,
            engine_name=NAME,
            progress_bar=False,
            cwd=str(project_top()),
            kernel=kernel,
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


def _first_lines(failure: BaseException) -> str:
    lines = [line for line in str(failure).splitlines() if line.strip()]
    return " ".join(lines[-2:]) if lines else type(failure).__name__
