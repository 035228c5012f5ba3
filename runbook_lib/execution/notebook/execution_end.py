"""How the execution of a notebook by our engine ended, for the judge: the notebook itself says so in its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbclient.exceptions import CellTimeoutError

from runbook_lib.evidence.judgement import Execution, other_run
from runbook_lib.execution.notebook.notebook_manager import has_error
from runbook_lib.model.status import BAD, Status, worst

if TYPE_CHECKING:
    from nbclient.exceptions import DeadKernelError
    from nbformat import NotebookNode

    from runbook_lib.evidence.judgement import Ended
    from runbook_lib.execution.notebook.kernel_process import Kernel
    from runbook_lib.model.records import RunRecord

__all__ = ["execution_of", "with_refusals_and_runs"]

_ENDS: dict[Status, Ended] = {
    Status.FAILED: "failed",
    Status.UNREACHABLE: "failed",
    Status.INTERRUPTED: "interrupted",
}


def execution_of(
    kernel: Kernel, nb: NotebookNode, died: DeadKernelError | CellTimeoutError | None
) -> Execution:
    """Return how the execution ended, as far as kernel and cells say.

    Args:
        kernel: The kernel.
        nb: The executed notebook.
        died: What ended the execution before its last cell, if anything did.
    """
    if kernel.interrupted:
        return Execution(
            "timed out" if isinstance(died, CellTimeoutError) else "interrupted", kernel.interrupted
        )
    if isinstance(died, CellTimeoutError):
        return Execution("timed out", str(died).strip().partition("\n")[0])
    if died:
        return Execution("kernel died", str(died).strip().rpartition("\n")[2])
    return Execution("failed" if has_error(nb) else "finished")


def with_refusals_and_runs(execution: Execution, kernel: Kernel, records: list[RunRecord]) -> Execution:
    """Return the end of an execution with what its cells do not show: what was refused, and how its runs ended.

    Args:
        execution: As `execution_of` returns it.
        kernel: The kernel.
        records: Its runs, by their journals.
    """
    return _as_its_runs_ended(_without_refusals(execution, _refusals(kernel, records)), records)


def _refusals(kernel: Kernel, records: list[RunRecord]) -> list[str]:
    """Return why the notebook is not a success although its runs are: what was refused, or should have been.

    Steps: the run had ended, or a forked process began them. Runs: of other parameters than were checked; and, of what
    no cell can evade, the mode and the hosts of each run.
    """
    runs = [problem.partition("\n")[0] for problem in kernel.refused_input]
    checked = kernel.checked
    found = [problem for record in records for problem in checked.contradictions(record)] if checked else []
    return [*kernel.refusals, *runs, *found]


def _without_refusals(execution: Execution, refusals: list[str]) -> Execution:
    """Have the notebook itself say what was refused."""
    if execution.ended != "finished" or not refusals:
        return execution
    return Execution("failed", "; ".join(refusals))


def _as_its_runs_ended(execution: Execution, records: list[RunRecord]) -> Execution:
    """Have the notebook itself say that one of its runs did not succeed: its other runs are judged apart from it.

    The outputs do not always show such a run: a script made it, or its cell was captured.
    """
    unsuccessful = {record.run: record.status for record in records if record.status in BAD}
    if execution.ended != "finished" or len(records) < 2 or not unsuccessful:  # noqa: PLR2004 - another run
        return execution
    return Execution(
        _ENDS.get(worst([*unsuccessful.values()]), "unknown"),
        "; ".join(other_run(run, status) for run, status in unsuccessful.items()),
    )
