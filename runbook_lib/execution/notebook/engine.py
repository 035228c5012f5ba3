"""Our papermill engine: `papermill --engine runbook in.ipynb out.ipynb` tells the truth about the runs in it.

The runs that a kernel opens are told to us in a file before their first line is written, so each is judged by
its journal, whatever becomes of the kernel. A notebook that opens none is executed as papermill would.
"""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, Any

import click
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import NBClientEngine, NotebookExecutionManager
from papermill.exceptions import PapermillException
from papermill.log import logger
from papermill.utils import merge_kwargs, remove_args

from runbook_lib.execution.notebook.atomic_save import save_atomically
from runbook_lib.execution.notebook.cell_client import Client
from runbook_lib.execution.notebook.kernel_process import Kernel
from runbook_lib.execution.notebook.outcome import Outcome, exit_code
from runbook_lib.execution.notebook.signal_forwarding import passed_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbformat import NotebookNode

__all__ = ["NAME", "RunNotWell", "RunbookEngine"]

NAME = "runbook"
"""The engine's name for papermill."""
_START_TIMEOUT = 60  # seconds, as papermill's
_SAVED_FOR_EACH_SAVING = 20  # seconds that pass for each that writing the notebook takes
_RENAMED = ("input_path", "execution_timeout", "timeout", "start_timeout", "startup_timeout")


class RunNotWell(PapermillException, click.ClickException):  # type: ignore[misc]
    """A run in the notebook did not end well. papermill's command ends with our exit code, and no traceback."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]


class RunbookEngine(NBClientEngine):  # type: ignore[misc]
    """Execute a notebook, and judge the runs in it by their journals."""

    @classmethod
    def execute_notebook(
        cls,
        nb: NotebookNode,
        kernel_name: str,
        output_path: str | None = None,
        **options: Any,  # noqa: ANN401 - papermill's and nbclient's
    ) -> NotebookNode:
        """Execute a notebook; see papermill's `Engine.execute_notebook`.

        Raises:
            RunNotWell: The notebook went through, or its kernel died, and a run in it did not end well.
        """
        if output_path:
            save_atomically(output_path)
        names = ("progress_bar", "log_output", "autosave_cell_every")
        manager = _Manager(
            nb, output_path=output_path, **{name: options[name] for name in names if name in options}
        )
        manager.notebook_start()
        done = False
        try:
            cls.execute_managed_notebook(manager, kernel_name, **remove_args(names[::2], **options))
            done = True
        finally:
            manager.cleanup_pbar()
            manager.notebook_complete()
            if not done:  # else papermill writes it as the next thing
                manager.save()
        executed: NotebookNode = manager.nb
        return executed

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        kernel: Kernel | None = None,
        **options: Any,  # noqa: ANN401 - as above
    ) -> None:
        """Execute the cells; see papermill's `NBClientEngine.execute_managed_notebook`.

        Args:
            nb_man: papermill's account of the notebook.
            kernel_name: The kernel's kind.
            kernel: Whose kernel to use; None: one of our own for this notebook.
            **options: papermill's and nbclient's.
        """
        given = remove_args(_RENAMED, **options)
        with contextlib.ExitStack() as stack:
            if kernel is None:
                kernel = stack.enter_context(Kernel())
            stack.enter_context(passed_on(kernel))
            stack.enter_context(_judged(kernel, nb_man))
            client = Client(
                nb_man,
                kernel=kernel,
                kernel_manager_class=kernel.manager_class,
                **merge_kwargs(
                    given,
                    timeout=options.get("execution_timeout") or options.get("timeout"),
                    startup_timeout=options.get("start_timeout", _START_TIMEOUT),
                    kernel_name=kernel_name,
                    log=logger,
                ),
            )
            client.execute()


class _Manager(NotebookExecutionManager):  # type: ignore[misc]
    """papermill's own, which calls no cell completed that was never executed.

    papermill writes the whole notebook twice for each cell: for many hosts that takes longer than the cells. Here
    it is late where it would take more than its share of the time, and made up for while the next cell runs.
    """

    _again = 0.0
    _is_late = False

    def save(self, **options: Any) -> None:  # noqa: ANN401 - papermill's signature
        """Write the notebook, or leave it for later."""
        began = time.monotonic()
        self._is_late = began < self._again
        if not self._is_late:
            super().save(**options)
            ended = time.monotonic()
            self._again = ended + (ended - began) * _SAVED_FOR_EACH_SAVING

    def save_what_is_late(self) -> None:
        """Write what was left for later, once it is time."""
        if self._is_late:
            self.save()

    def notebook_complete(self, **options: Any) -> None:  # noqa: ANN401 - papermill's signature
        """End the notebook's metadata, leaving `pending` what is; whoever calls this writes it."""
        self._again = math.inf
        pending = [cell for cell in self.nb.cells if cell.metadata.papermill["status"] == self.PENDING]
        super().notebook_complete(**options)
        for cell in pending:
            cell.metadata.papermill["status"] = self.PENDING
        self._again = 0.0


@contextlib.contextmanager
def _judged(kernel: Kernel, manager: NotebookExecutionManager) -> Iterator[None]:
    """Raise where a run that the kernel opened did not end well, or where no run tells of an interrupt."""
    died: DeadKernelError | CellTimeoutError | None = None
    try:
        yield
    except (DeadKernelError, CellTimeoutError) as problem:
        manager.nb.metadata.papermill["exception"] = True
        if not kernel.runs:
            raise
        died = problem
    bad = [outcome for outcome in map(Outcome.read, kernel.runs) if exit_code(outcome.status)]
    if bad or died:
        manager.nb.metadata.papermill["exception"] = True
    if _has_error(manager.nb) and not (died or kernel.interrupted):
        return  # papermill marks the cell and raises
    if bad:
        why = [str(died).strip().rpartition("\n")[2]] if died else []
        told = [outcome.sentence for outcome in bad]
        raise RunNotWell("; ".join([*told, *why]), exit_code(bad[-1].status)) from died
    if died:
        raise died
    if kernel.interrupted and not kernel.runs:
        raise RunNotWell(f"{kernel.interrupted}: not all cells were executed", 4)


def _has_error(nb: NotebookNode) -> bool:
    """Whether papermill finds an error in a cell; a clean `sys.exit` is none to it."""
    return any(
        output.output_type == "error" and not (output.ename == "SystemExit" and output.evalue in {"", "0"})
        for cell in nb.cells
        for output in cell.get("outputs", [])
    )
