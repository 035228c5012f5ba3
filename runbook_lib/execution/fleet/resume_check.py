"""Whether a runbook still has the steps it had when a run of it was begun."""

from __future__ import annotations

import ast
import itertools
import json
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["refuse_changed"]

_STEPS = frozenset({"step", "facts", "shell"})
_EXECUTED = "notebook.ipynb"


def refuse_changed(notebook: Path, run: Path) -> None:
    """Refuse a runbook whose steps are not those of the notebook that a run has kept.

    Titles may be made from parameters, so they are compared as they are written. Where the run kept no notebook that
    can be read, the titles are compared step by step while the new run goes on.

    Args:
        notebook: The runbook as it is now.
        run: The earlier run's directory.

    Raises:
        InputError: With the first step that differs.
    """
    was, now = _written(run / _EXECUTED), _written(notebook)
    if was is None or now is None:
        return
    for number, (before, after) in enumerate(itertools.zip_longest(was, now), start=1):
        if before != after:
            raise InputError(
                f"the runbook has changed: step {number} in its source is {after or 'gone'} now and was "
                f"{before or 'not there'}",
                where=str(notebook),
                hint="run it anew, without --resume: steps that are right already say ok",
            )


def _written(path: Path) -> list[str] | None:
    """Return the titles of a notebook's steps as its source has them; None where it cannot be read."""
    try:
        cells = json.loads(path.read_bytes())["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        trees = [ast.parse(source) for source in sources if not source.lstrip().startswith("%")]
    except (OSError, ValueError, KeyError, TypeError, SyntaxError):
        return None
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        ast.unparse(call.args[0])
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in _STEPS
        and call.args
        and isinstance(call.args[0], ast.Constant | ast.JoinedStr)
    ]
