"""What ended the execution of a notebook, in one line: the error of a cell with the cell, or what papermill says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from papermill.exceptions import PapermillExecutionError

from runbook_lib.evidence.notebook import INJECTED
from runbook_lib.runbook.notebook.notebook_parameters import TAG

if TYPE_CHECKING:
    from runbook_lib.evidence.notebook import Notebook

__all__ = ["execution_problem"]

_HINT = "hint: "
_NO_OUTPUT = "CellExecutionError"  # what papermill calls an error of which the cell has no output


def execution_problem(failure: BaseException, notebook: Notebook | None = None) -> str:
    """Return what went wrong, in one line.

    Args:
        failure: What was raised.
        notebook: The notebook as its author wrote it, by which a cell is counted; None: as papermill executed it.
    """
    if not isinstance(failure, PapermillExecutionError):
        lines = [line for line in str(failure).splitlines() if line.strip()]
        return " ".join(lines[-2:]) if lines else type(failure).__name__
    cell = f"cell {_position(failure.cell_index, notebook)}"
    if failure.ename == _NO_OUTPUT:
        return f"{cell} was not executed to its end"
    first, *rest = [line.strip() for line in str(failure.evalue).splitlines() if line.strip()] or [""]
    if first.endswith(":"):  # as in `the run is failed:`, with a line for each reason
        first = " ".join([first, *rest[:1]])
    hints = [line for line in rest if line.startswith(_HINT)]  # of an error of this library
    return "; ".join([f"{cell} raised {failure.ename}" + (f": {first}" if first else ""), *hints])


def _position(index: int, notebook: Notebook | None) -> int:
    """Return a cell's place among its author's, from 1: papermill puts one with the given values after the parameters.

    Args:
        index: Its place in the executed notebook, from 0.
        notebook: The author's.
    """
    if notebook is None:
        return index + 1
    tags = [cell.tags for cell in notebook.sources()]
    parameters = next((number for number, tagged in enumerate(tags) if TAG in tagged), len(tags))
    replaced = any(INJECTED in tagged for tagged in tags)
    return index + 1 if replaced or index <= parameters else index
