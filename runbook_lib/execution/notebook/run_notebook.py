"""Run one runbook through papermill in a kernel of its own; its journal says how it ended.

papermill's own account is not used: it marks cells completed after a kernel was killed.
"""

from __future__ import annotations

import contextlib
import errno
import sys
import threading
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import papermill
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.warnings import DuplicateCellId, MissingIDFieldWarning
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillException

from runbook_lib import atomic
from runbook_lib.errors import EvidenceError, InputError, RunbookError
from runbook_lib.evidence.disk import cannot_write
from runbook_lib.evidence.follower import JournalFollower
from runbook_lib.evidence.layout import NOTEBOOK
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.execution.notebook.engine import NAME, RunbookEngine, RunFailed
from runbook_lib.execution.notebook.execution_problems import execution_problem
from runbook_lib.execution.notebook.kernel_process import Kernel
from runbook_lib.execution.notebook.outcome import Outcome
from runbook_lib.execution.notebook.signal_forwarding import forward_signals
from runbook_lib.model.status import Status
from runbook_lib.project import project_top
from runbook_lib.runbook.notebook import run_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runbook_lib.runbook.notebook.checked_input import CheckedInput

__all__ = ["run_notebook"]

_POLL = 0.03  # seconds between two reads of the journal
# Seconds after which what is loaded while the kernel starts gives way to the thread that talks to the kernel: that
# thread has little to do and is waited for, a dozen times until the first line of the journal.
_SHORT_TURN = 0.0005
_NO_MORE_ROOM = {errno.ENOSPC, errno.EDQUOT}

# As the entry point does, which exists only once this project is installed.
papermill_engines.register(NAME, RunbookEngine)


def run_notebook(  # noqa: PLR0913, PLR0917 - all that one run depends on
    notebook: Path,
    runbook: str,
    runs: Path,
    values: dict[str, Any],
    report: Callable[[dict[str, Any]], None],
    while_starting: Callable[[], None] = lambda: None,
    report_later: Callable[[dict[str, Any]], None] = lambda _: None,
    checked: CheckedInput | None = None,
) -> Outcome:
    """Run a runbook and wait for its end.

    SIGINT and SIGTERM are forwarded to the kernel as an interrupt, so that it can complete its journal.

    Args:
        notebook: The runbook's notebook.
        runbook: Its name in records.
        runs: The directory in which the run directory is created.
        values: Parameters beyond the notebook's defaults, as checked; papermill injects these.
        report: Called with each journal entry of the run as it appears.
        while_starting: Called once, while the kernel starts and nothing else is to be done.
        report_later: Called with each journal entry of the further runs that the notebook opens.
        checked: What its runs must be opened with; None: nothing was checked.

    Raises:
        InputError: The notebook opened a run with other parameters or hosts than those that were checked, and no run
            was begun. No host was touched.
        EvidenceError: The run directory cannot be created, or was replaced meanwhile.
    """
    path = run_directory.new(runs, runbook)
    made = run_directory.identity(path)
    with Kernel(path, checked) as kernel, forward_signals(kernel):
        kernel.name_notebook(notebook)
        shown = _Shown(path, kernel, report, report_later)
        problems = _follow(notebook, path, values, kernel, shown, while_starting)
        interrupted = kernel.interrupted
        later = [run for run in kernel.runs if run != path.absolute()]
        replaced = [*filter(None, (follower.replaced() for follower in kernel.follow()))]
        refused = [] if kernel.runs else kernel.refused_input
    if refused and not interrupted:
        _remove_unused(path)
        raise InputError(f"{refused[0]}\n  no host was touched")
    _refuse_replaced(path, made)
    for run in later:
        _refuse_replaced(run, run_directory.identity(run))
        _copy_notebook(path, run)
    if interrupted and not any(interrupted in problem for problem in problems):
        problems.insert(0, interrupted)
    outcome = Outcome.read(path, "; ".join(problems), interrupted=bool(interrupted))
    return replace(outcome, later=tuple(later), evidence_problem="; ".join(replaced))


def _remove_unused(path: Path) -> None:
    """Remove a run directory that no run has used; what a cell has put there stays."""
    with contextlib.suppress(OSError):
        (path / NOTEBOOK).unlink(missing_ok=True)
        path.rmdir()


def _refuse_replaced(run: Path, made: tuple[int, int] | None) -> None:
    """Refuse to write into a run directory that a cell has replaced: a link, or another run moved there."""
    if made is None or run_directory.identity(run) != made:
        by = "a symbolic link" if run.is_symlink() else "something else"
        raise EvidenceError(
            f"the run directory was replaced by {by}: no notebook, report or seal is written",
            where=str(run),
            hint="look for the cell that did this, and for the run's own files",
        )


def _copy_notebook(path: Path, run: Path) -> None:
    """Give a further run of the same notebook its own copy: each run directory is evidence on its own."""
    try:
        atomic.replace_file(run / NOTEBOOK, (path / NOTEBOOK).read_bytes())
    except OSError as problem:
        raise EvidenceError(
            f"the executed notebook cannot be copied: {problem.strerror or problem}", where=str(run)
        ) from problem


def _follow(  # noqa: PLR0913, PLR0917 - as `run_notebook`
    notebook: Path,
    path: Path,
    values: dict[str, Any],
    kernel: Kernel,
    shown: _Shown,
    while_starting: Callable[[], None],
) -> list[str]:
    """Run the notebook in a thread and report its journal entries meanwhile; return what went wrong."""
    problems: list[str] = []
    worker = threading.Thread(
        target=_execute, args=(notebook, path, values, kernel, problems), name="papermill"
    )
    worker.start()
    with _ended(worker, kernel, path):
        while worker.is_alive() and not kernel.launched.wait(_POLL):
            pass
        with _turns_of(_SHORT_TURN):
            while_starting()
        while worker.is_alive():
            shown.refresh()
            worker.join(_POLL)
        shown.refresh()
    return problems


class _Shown:
    """Reports the journal entries of all runs of one notebook, the first of which is its own.

    Args:
        path: The directory of that run.
        kernel: The kernel, which announces the others.
        report: Called with each entry of the first run.
        report_later: Called with each entry of the others.
    """

    def __init__(
        self,
        path: Path,
        kernel: Kernel,
        report: Callable[[dict[str, Any]], None],
        report_later: Callable[[dict[str, Any]], None],
    ) -> None:
        self._kernel = kernel
        self._report = report
        self._report_later = report_later
        self._first = JournalFollower(path)
        self._others: dict[Path, JournalFollower] = {}

    def refresh(self) -> None:
        """Report the entries that were written since the last call."""
        for entry in self._first.new_entries():
            self._report(entry)
        # Apart from the kernel's own followers, which another thread reads.
        for run in self._kernel.opened():
            if run != self._first.run.absolute():
                for entry in self._others.setdefault(run, JournalFollower(run)).new_entries():
                    self._report_later(entry)


@contextlib.contextmanager
def _ended(worker: threading.Thread, kernel: Kernel, path: Path) -> Iterator[None]:
    """Let no error leave the block while the notebook runs: its kernel would be killed in the middle of a step.

    Raises:
        EvidenceError: A file could not be read or written.
    """
    problem = "the run cannot be followed any more"
    try:
        yield
    except OSError as failure:
        problem += f": {failure.strerror or failure}"
        raise EvidenceError(problem, where=str(failure.filename or path)) from failure
    finally:
        if worker.is_alive():  # only after an error
            kernel.interrupt(problem)
        while worker.is_alive():
            worker.join(_POLL)


@contextlib.contextmanager
def _turns_of(seconds: float) -> Iterator[None]:
    """Let another thread that waits for Python's lock have it after so many seconds, in place of five milliseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _execute(notebook: Path, path: Path, values: dict[str, Any], kernel: Kernel, problems: list[str]) -> None:
    source: Notebook | None = None
    try:
        source = Notebook.parse(notebook.read_bytes(), str(notebook))
        # Jupyter makes an event loop for each thread, and leaves it open.
        with contextlib.closing(ensure_event_loop()), warnings.catch_warnings():
            # Wherever it reads or writes cells without an id of their own, nbformat complains, and gives them one.
            for kind in (MissingIDFieldWarning, DuplicateCellId):
                warnings.simplefilter("ignore", kind)
            papermill.execute_notebook(
                _literally(notebook),
                _literally(path / NOTEBOOK),
                parameters=values,
                engine_name=NAME,
                progress_bar=False,
                cwd=str(project_top()),
                kernel=kernel,
                **_unnamed_kernel(source),
            )
    except RunFailed as failure:
        # The record of a run that was skipped says so, and its steps say why: nothing else went wrong.
        if failure.exit_code != Status.SKIPPED.exit_code:
            problems.append(execution_problem(failure))
    except (
        PapermillException,
        DeadKernelError,
        CellTimeoutError,
        NoSuchKernel,
        RunbookError,
        RuntimeError,
        ValueError,
    ) as failure:
        problems.append(execution_problem(failure, source if values else None))
    except OSError as failure:
        full = failure.errno in _NO_MORE_ROOM
        problems.append(str(cannot_write(path / NOTEBOOK, failure)) if full else execution_problem(failure))


def _literally(path: Path) -> str:
    """Return a path as papermill takes it, which puts parameters in the place of names in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _unnamed_kernel(notebook: Notebook) -> dict[str, str]:
    """Return papermill's arguments for a notebook that names no kernel, as tools that clear metadata leave it."""
    metadata = notebook.metadata
    language = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language")
    return {
        **({} if notebook.kernel else {"kernel_name": "python3"}),
        **({} if language else {"language": "python"}),
    }
