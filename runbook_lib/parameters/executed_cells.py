"""The variables that a notebook's cells have set so far, and the parameters cells among them."""

from __future__ import annotations

import ast
import json
import re
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import InputError
from runbook_lib.parameters.cell import declarations

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["assigned_names", "history", "is_literal", "is_parameters_cell"]

_OPENS = re.compile(r"\.collect\(|\bRunbook\.open\(")  # the cell that ends the parameters


def assigned_names(namespace: Mapping[str, Any], known: Collection[str]) -> set[str]:
    """Return the variables that the notebook's cells have set so far, wherever these cells are to be found.

    Args:
        namespace: The notebook's `globals()`.
        known: The names of the model's parameters.
    """
    file, typed = namespace.get("__file__"), history(namespace)
    if isinstance(file, str) and file.endswith(".ipynb"):  # `ipython book.ipynb`, or `%run book.ipynb`
        cells = _cells_in_file(Path(file))
        if cells is not None:
            return _assigned_in_cells(cells)
    if any(map(_OPENS.search, typed)):  # JupyterLab, papermill, nbconvert, typed in IPython
        return _assigned_in_cells(typed, known)
    # No history is kept (nbval), or there are no cells (a script): everything that is set.
    names = {name for name in namespace if not name.startswith("_")} - ({"In", "Out"} if typed else set())
    return names - (_assigned_in_cells(typed, known) - set(known))


def _cells_in_file(path: Path) -> list[str] | None:
    """Return the code cells of the notebook that IPython executes from a file; None if it cannot be read."""
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415 - IPython calls this, if anyone

    try:
        cells = json.loads(path.read_bytes())["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        transformer = TransformerManager()  # type: ignore[no-untyped-call]
        return [transformer.transform_cell(source) for source in code]
    except (OSError, ValueError, LookupError, TypeError, SyntaxError):
        return None


def _assigned_in_cells(cells: Sequence[str], known: Collection[str] = ()) -> set[str]:
    """Return the names assigned in the cells up to the first `collect`, and in parameters cells after it.

    Variables that later cells set are not parameters. But where a person has changed the parameters cell and opens
    the notebook again, it comes after the first `collect`: a cell of plain values, one of them a parameter's.
    """
    names: set[str] = set()
    collected = False
    for source in cells:
        assigned = _assigned(source)
        if not collected or (is_parameters_cell(source) and assigned & set(known)):
            names |= assigned
        collected = collected or _OPENS.search(source) is not None
    return {name for name in names if not name.startswith("_")}


def _assigned(source: str) -> set[str]:
    """Return the names that a cell assigns; none if it is not Python alone, as a cell magic is not."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return set()
    names = (node for statement in tree.body for node in ast.walk(statement) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def is_parameters_cell(source: str) -> bool:
    """Return whether a cell declares parameters, and does nothing else."""
    try:
        return bool(declarations(source, ""))
    except InputError:
        return False


def history(namespace: Mapping[str, Any]) -> list[str]:
    """Return the cells that ran, as IPython keeps them; empty outside of IPython."""
    typed = namespace.get("In")
    return typed if isinstance(typed, list) else []


def is_literal(value: object) -> bool:
    """Return whether a variable's value can be that of a parameter."""
    if isinstance(value, types.ModuleType) or callable(value):
        return False
    return value is None or isinstance(value, str | int | float | bool | list | dict | tuple)
