"""The parameter model of a notebook without one of its own, and its values in a kernel: `Runbook.open()`.

The parameters cell of the notebook's file declares them. In a kernel that a person uses, the cell that ran counts: it
may have been changed since the file was saved.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.display import ipython_shell
from runbook_lib.errors import EvidenceError, InputError, ParameterError
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.parameters.annotations import imported_names
from runbook_lib.parameters.cell import declarations, imports
from runbook_lib.parameters.cell_model import cell_model, model_of
from runbook_lib.parameters.executed_cells import history, is_literal, is_parameters_cell
from runbook_lib.runbook.notebook import person
from runbook_lib.runbook.notebook.guessed_notebook import INJECTED_CELL, GuessedNotebook
from runbook_lib.runbook.notebook.named_notebook import find_notebook
from runbook_lib.runbook.notebook.parent_process import ParentProcess
from runbook_lib.runbook.notebook.run_directory import NOTEBOOK_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runbook_lib.evidence.notebook import Cell
    from runbook_lib.parameters import Parameters
    from runbook_lib.parameters.cell import Declaration

__all__ = ["TAG", "collect_parameters", "first_heading", "notebook_model", "parameters_cell", "runbook_name"]

TAG = "parameters"
"""Tag of the cell that declares a notebook's parameters; papermill's."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HEADING = re.compile(r"#{1,6}\s+(?P<text>.*?)\s*#*\s*")


def parameters_cell(cells: Sequence[Cell], where: str) -> Cell:
    """Return a notebook's parameters cell.

    Args:
        cells: The notebook's cells.
        where: The file to name in error messages.

    Raises:
        InputError: There is none, or more than one.
    """
    tagged = [cell for cell in cells if TAG in cell.tags]
    if len(tagged) != 1:
        positions = ", ".join(str(cell.position) for cell in tagged)
        raise InputError(
            f"expected one cell tagged {TAG!r}, found {len(tagged)}"
            + (f" (cells {positions})" if tagged else ""),
            where=where,
            hint="tag the cell that declares the parameters (in JupyterLab: Property Inspector, Cell Tags)",
        )
    return tagged[0]


def notebook_model(cells: Sequence[Cell], path: Path) -> type[Parameters]:
    """Return the parameter model that a notebook's parameters cell declares.

    Args:
        cells: The notebook's cells.
        path: The notebook.

    Raises:
        InputError: There is not exactly one parameters cell, or it is malformed, or the file's name cannot be a
            runbook's.
    """
    cell = parameters_cell(cells, str(path))
    name = runbook_name(path)
    return cell_model(
        cell.source, name, first_heading(cells) or name, str(path), _imports_before(cells, cell)
    )


def _imports_before(cells: Sequence[Cell], cell: Cell) -> list[str]:
    return [other.source for other in cells if other.kind == "code" and other.position < cell.position]


def runbook_name(path: Path) -> str:
    """Return the name of the runbook in a file.

    Raises:
        InputError: The file's name has characters that the name of a run directory does not have.
    """
    if not _NAME.fullmatch(path.stem):
        raise InputError(
            f"the name of the notebook becomes the name of its runs: {path.stem!r} has other characters than "
            "letters, digits, '.', '_' and '-'",
            where=str(path),
            hint="rename the file",
        )
    return path.stem


def first_heading(cells: Sequence[Cell]) -> str:
    """Return the text of a notebook's first heading; empty if it has none."""
    for cell in cells:
        if cell.kind == "markdown":
            for line in cell.source.splitlines():
                found = _HEADING.fullmatch(line)
                if found:
                    return found["text"]
    return ""


def collect_parameters(name: str) -> tuple[Parameters, GuessedNotebook | None]:
    """Return the parameters of the notebook that this kernel executes.

    Args:
        name: The runbook's name if the kernel does not know the notebook's file; empty: none.

    Returns:
        The parameters; and the notebook from which the runbook has its name, if only its cells suggest that one.

    Raises:
        InputError: The parameters cell or a parameter is wrong, or the notebook, or its name, is not known.
    """
    variables = ipython_shell.variables()
    if not variables:
        raise ParameterError(
            "Runbook.open() without parameters reads them from the notebook that it is called in, and there is none",
            hint="pass them: Runbook.open(P(inventory=..., hosts=...)), with P a subclass of Parameters",
        )
    engine = os.environ.get(NOTEBOOK_FILE, "").rpartition(" ")[0]
    executed = [] if engine else history(variables)
    path = Path(engine) if engine else find_notebook()
    guessed = None
    if path is None and not name and not person.is_watching(ParentProcess()):
        guessed = GuessedNotebook.find(TAG)
    model = _model(guessed.path if guessed else path, name, executed)
    _refuse_replaced(model, variables)
    return model.collect(variables), guessed


def _model(path: Path | None, name: str, executed: Sequence[str]) -> type[Parameters]:
    """Return the model of the parameters cell in the file, as changed by the cells that ran."""
    cells = _cells(path)
    where = str(path or "this notebook")
    known = runbook_name(path) if path else name
    if not known or not _NAME.fullmatch(known):
        raise ParameterError(
            "the kernel does not know the notebook's file, so that the runbook has no name",
            hint="name it: Runbook.open(name='tls-rotation'); under `runbook run` and in JupyterLab the file is known; "
            "with papermill and nbclient only if the notebook is in the kernel's project, and no other notebook there "
            "begins with the same cells",
        )
    declared: dict[str, Declaration] = {}
    sources = [cell.source for cell in cells if cell.kind == "code"]
    if cells:
        if not executed:
            return notebook_model(cells, path or Path(known))
        declared = {item.name: item for item in declarations(parameters_cell(cells, where).source, where)}
    declared = _changed(declared, executed)
    if not declared:
        raise ParameterError(
            "the parameters cell is not known to the kernel: neither the notebook's file nor the cells that ran are",
            hint="use a parameter model: Runbook.open(P.collect(globals()))",
        )
    found = []
    for source in (*sources, *executed):
        try:
            found += imports(source, where)
        except InputError:  # a cell of magics, for example
            continue
    return model_of([*declared.values()], imported_names(found), known, first_heading(cells) or known, where)


def _cells(path: Path | None) -> list[Cell]:
    try:
        return Notebook.parse(path.read_bytes(), str(path)).sources() if path else []
    except (OSError, EvidenceError):  # moved, or not saved yet: the cells that ran are left
        return []


def _changed(declared: Mapping[str, Declaration], executed: Sequence[str]) -> dict[str, Declaration]:
    """Return what is declared after the parameters cells that ran: the first one, and changed forms of it."""
    found = dict(declared)
    for source in executed:
        if not is_parameters_cell(source) or (found and source.lstrip().startswith(INJECTED_CELL)):
            continue
        own = {item.name: item for item in declarations(source, "")}
        if found and len(own.keys() & found.keys()) * 2 <= len(own):
            continue  # some other cell that only sets values
        for name, item in own.items():
            before = found.get(name)
            keeps = before is not None and item.annotation is None
            found[name] = replace(item, annotation=before.annotation) if before and keeps else item
    return found


def _refuse_replaced(model: type[Parameters], variables: Mapping[str, Any]) -> None:
    """Refuse a parameter whose variable a later cell has used for something else, such as an import."""
    for name in model.model_fields:
        value = variables.get(name)
        if name in variables and not is_literal(value):
            raise ParameterError(
                f"the variable {name!r} is a parameter, and a cell has made it a {type(value).__name__}",
                where=f"parameters of {model.runbook}",
                hint=f"rename the parameter, or import under another name: import … as other_{name}",
            )
