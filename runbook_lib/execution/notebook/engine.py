"""papermill's engine `runbook`: `papermill --engine runbook in.ipynb out.ipynb` fails if a run in the notebook did.

A kernel lists the runs that it opens in a file before their first line is written, so each is judged by its
journal, whatever happens to the kernel. A notebook that is not a runbook is executed as by papermill's own engine.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import NBClientEngine, NotebookExecutionManager
from papermill.exceptions import PapermillException
from papermill.iorw import write_ipynb
from papermill.log import logger
from papermill.utils import merge_kwargs, remove_args

from runbook_lib.errors import EvidenceError, InputError
from runbook_lib.evidence.journal_view import NO_JOURNAL_END
from runbook_lib.evidence.judgement import (
    EXECUTION,
    SKIP,
    Execution,
    Judgement,
    judge,
    skipped_cells,
)
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.evidence.reader import read_journal
from runbook_lib.execution import catalog
from runbook_lib.execution.input_checks import check_input
from runbook_lib.execution.notebook.atomic_save import saved_atomically
from runbook_lib.execution.notebook.cell_client import CellClient
from runbook_lib.execution.notebook.execution_end import execution_of, with_refusals_and_runs
from runbook_lib.execution.notebook.exposed_outputs import mask_exposed_secrets
from runbook_lib.execution.notebook.kernel_process import Kernel
from runbook_lib.execution.notebook.notebook_manager import NotebookManager, has_error
from runbook_lib.execution.notebook.signal_forwarding import forward_signals
from runbook_lib.model.status import Status
from runbook_lib.printing.visible_text import for_log
from runbook_lib.report.summary import first_line, outcome_of_run
from runbook_lib.runbook.notebook.checked_input import CheckedInput
from runbook_lib.signal_handlers import surviving_hangup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbformat import NotebookNode

    from runbook_lib.model.records import RunRecord

__all__ = ["NAME", "RunFailed", "RunbookEngine"]

NAME = "runbook"
"""The engine's name for papermill."""
_CUT_OFF = "the program that executed the notebook was killed before the notebook had ended"
_START_TIMEOUT = 60  # seconds, as papermill's
_NO_FILE = "notebook"  # what a notebook is called that comes from standard input, a pipe or a URL
_RENAMED = ("input_path", "execution_timeout", "timeout", "start_timeout", "startup_timeout")


class RunFailed(PapermillException, click.ClickException):  # type: ignore[misc]
    """A run in the notebook did not succeed. papermill's command exits with the run's exit code, and no traceback."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(for_log(message))  # papermill prints it
        self.exit_code = code  # type: ignore[misc]


class RunbookEngine(NBClientEngine):  # type: ignore[misc]
    """Executes a notebook, and raises unless the judge finds a proven good end."""

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
            RunFailed: The notebook was executed, or its kernel died, and a run in it did not succeed.
        """
        skipped = skipped_cells(nb.cells) if "runbook" in nb.metadata else []
        if skipped:
            raise RunFailed(
                f"cell {skipped[0]} is tagged {SKIP!r}: a runbook's cells are all executed; no host was touched",
                InputError.exit_code,
            )
        if "kernel" not in options:  # otherwise the caller has checked
            options["checked"] = _check_input(nb, options.get("input_path"), kernel_name)
        names = ("progress_bar", "log_output", "autosave_cell_every")
        manager = NotebookManager(
            nb, output_path=output_path, **{name: options[name] for name in names if name in options}
        )
        with saved_atomically(output_path) as handler:
            if "kernel" in options:  # `run_notebook` is the caller, which uses the file only
                manager.packs_into(handler)
            manager.notebook_start()
            executed = False
            try:
                cls.execute_managed_notebook(manager, kernel_name, **remove_args(names[::2], **options))
                executed = True
            finally:
                manager.cleanup_pbar()
                manager.notebook_complete()
                if not executed:  # otherwise papermill writes it next
                    manager.save()
                    if output_path is None:  # not saved after each cell, as to standard output: at least once
                        write_ipynb(manager.nb, manager.nb.metadata.get("papermill", {}).get("output_path"))
            manager.write_last()
        notebook: NotebookNode = manager.nb
        return notebook

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        kernel: Kernel | None = None,
        checked: CheckedInput | None = None,
        **options: Any,  # noqa: ANN401 - as above
    ) -> None:
        """Execute the cells; see papermill's `NBClientEngine.execute_managed_notebook`.

        Args:
            nb_man: papermill's manager of the notebook.
            kernel_name: The kernel spec's name.
            kernel: The kernel to use; None: a new one for this notebook.
            checked: What a new kernel's runs must be opened with; None: nothing was checked.
            **options: papermill's and nbclient's.
        """
        passed = remove_args(_RENAMED, **options)
        with contextlib.ExitStack() as stack:
            if kernel is None:
                kernel = stack.enter_context(Kernel(checked=checked))
            if not kernel.notebook_file:
                kernel.name_notebook(options.get("input_path") or "")
            stack.enter_context(forward_signals(kernel))
            stack.enter_context(surviving_hangup())
            stack.enter_context(_runs_judged(kernel, nb_man))
            client = CellClient(
                nb_man,
                kernel=kernel,
                kernel_manager_class=kernel.manager_class,
                **merge_kwargs(
                    passed,
                    timeout=options.get("execution_timeout") or options.get("timeout"),
                    startup_timeout=options.get("start_timeout", _START_TIMEOUT),
                    kernel_name=kernel_name,
                    log=logger,
                ),
            )
            client.execute()


def _check_input(nb: NotebookNode, path: str | None, kernel_name: str) -> CheckedInput | None:
    """Check kernel, parameters, inventory and keys as `runbook run` does, before the kernel starts.

    Returns:
        What was checked; None for a notebook that is not a runbook, which is papermill's business.

    Raises:
        RunFailed: Any of them is wrong; no host was touched.
    """
    given = nb.metadata.get("papermill", {}).get("parameters", {})
    file = Path(path) if path and Path(path).is_file() else Path(_NO_FILE)
    if not catalog.is_runbook(Notebook(str(file), list(nb.cells), dict(nb.metadata))):
        return None
    try:
        entry = catalog.of_notebook(nb.cells, nb.metadata, file)
        parameters, hosts = check_input(entry, given, None, kernel_name)
    except InputError as problem:
        raise RunFailed(f"{problem}\n  no host was touched", problem.exit_code) from problem
    return CheckedInput.of(parameters, hosts)


@contextlib.contextmanager
def _runs_judged(kernel: Kernel, manager: NotebookExecutionManager) -> Iterator[None]:
    """Record how the execution ended, and raise if the notebook is not judged a success.

    A notebook that opened no run is papermill's business, unless it is a runbook or was interrupted.
    """
    died: DeadKernelError | CellTimeoutError | None = None
    manager.nb.metadata[EXECUTION] = Execution("unknown", _CUT_OFF).as_metadata()
    try:
        yield
    except (DeadKernelError, CellTimeoutError) as problem:
        manager.nb.metadata.papermill["exception"] = True
        died = problem
    finally:
        mask_exposed_secrets(manager.nb, kernel.runs)  # the notebook is written whatever went wrong
    execution = execution_of(kernel, manager.nb, died)
    refused = kernel.refused_input
    if refused and not (kernel.runs or died or kernel.interrupted):
        manager.nb.metadata[EXECUTION] = Execution("failed", " ".join(refused[0].split())).as_metadata()
        manager.nb.metadata.papermill["exception"] = True
        raise RunFailed(f"{refused[0]}\n  no host was touched", InputError.exit_code)
    records, broken = _journals(kernel)
    if broken and execution.ended == "finished":
        # The notebook itself has to say so: apart from its journal, it would look like that of a good run.
        execution = Execution("unknown", "; ".join(broken))
    execution = with_refusals_and_runs(execution, kernel, records)
    manager.nb.metadata[EXECUTION] = execution.as_metadata()
    notebook = Notebook("the executed notebook", list(manager.nb.cells), dict(manager.nb.metadata))
    judgement = judge(records, notebook, execution, broken=broken)
    ours = kernel.runs or catalog.is_runbook(notebook)
    if judgement.exit_code and (ours or died):
        manager.nb.metadata.papermill["exception"] = True
    if has_error(manager.nb) and not (died or kernel.interrupted):
        return  # papermill marks the cell and raises
    if kernel.interrupted and not (kernel.runs or died):
        raise RunFailed(f"{kernel.interrupted}: not all cells were executed", Status.INTERRUPTED.exit_code)
    if ours and judgement.exit_code:
        raise RunFailed(_summary(judgement, _left_open(notebook, execution)), judgement.exit_code) from died
    if died:
        raise died


def _journals(kernel: Kernel) -> tuple[list[RunRecord], list[str]]:
    """Return the runs that a kernel opened, by their journals, and what is wrong with these journals."""
    records, broken = [], [follower.replaced() for follower in kernel.follow()]
    for path in kernel.runs:
        try:
            record = read_journal(path)
        except EvidenceError as problem:
            broken.append(first_line(str(problem)))  # the hint is for who has named the run
            continue
        records.append(record)
        if record.run != path.name:
            broken.append(f"the journal in {path.name} is of run {record.run}")
    return records, [*filter(None, broken)]


def _left_open(notebook: Notebook, execution: Execution) -> str:
    """Return why a notebook that was executed to its end has left a run without one; empty if it was cut off."""
    if execution.ended != "finished":
        return ""
    for position, cell in enumerate(notebook.cells, start=1):
        if any(output.get("ename") == "SystemExit" for output in cell.get("outputs") or ()):
            return f": cell {position} called sys.exit()"
    return ": the notebook ended without book.close()"


def _summary(judgement: Judgement, left_open: str) -> str:
    runs = [
        f"run {run.run} is {run.status}" + (f": {reason}" if reason else "")
        for run in judgement.runs
        if run.status.exit_code
        for reason in [
            run.message
            or (outcome_of_run(run).sentence if run.status is Status.SKIPPED else "")
            or run.incomplete + (left_open if run.incomplete == NO_JOURNAL_END else "")
        ]
    ]
    # The end of the execution repeats what is wrong with the journals, for the executed notebook.
    sentences = [sentence for problem in judgement.problems for sentence in problem.split("; ")]
    return "; ".join([*runs, *dict.fromkeys(sentences)])
