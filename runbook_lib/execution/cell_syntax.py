"""Errors of syntax in a notebook's cells, found before the run starts: the cells before them change hosts.

What IPython would accept is not an error: its magics, shell commands and questions, `await` outside of a function, and
cells of other languages.
"""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import InputError
from runbook_lib.execution.cell_python import (
    cell_tree,
    is_another_language,
    with_magic_calls,
    without_transparent_magics,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["check_syntax", "compile_cell", "syntax_problem"]

_MAGICS = """
alias alias_magic autoawait autocall automagic autoreload autosave bookmark cat cd clear colors conda config
connect_info cp debug dhist dirs ed edit env gui hist history ldir less lf lk ll load load_ext loadpy logoff
logon logstart logstate logstop ls lx macro magic mamba man matplotlib micromamba mkdir more mv notebook
page pastebin pdb pdef pdoc pfile pinfo pinfo2 pip popd precision prun psearch psource pushd pycat pylab
recall reload_ext rep rerun reset reset_selective rm rmdir run save sc set_env store subshell sx system tb
time timeit unalias unload_ext uv who who_ls whos xdel xmode
"""
"""Magics and aliases of IPython and its kernel that it also takes without `%`, where the cell is one line."""


def check_syntax(cells: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Refuse a notebook with a code cell that the kernel could not even begin.

    Args:
        cells: The notebook's cells.
        path: The notebook, for messages.

    Raises:
        InputError: With the cell and the line.
    """
    for number, cell in enumerate(cells, start=1):
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        problem = syntax_problem(source)
        if problem is not None:
            line = min(problem.lineno or 1, max(len(source.splitlines()), 1))
            raise InputError(
                f"not valid Python: {problem.msg}",
                where=f"{path}, cell {number}, line {line}",
                hint="correct the cell: no cell was executed",
            ) from problem


def syntax_problem(source: str) -> SyntaxError | None:
    """Return why IPython refuses to execute a cell; None if it does not.

    Args:
        source: The cell's source.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an author's text, not of the run
        try:
            compile_cell(cell_tree(source))
        except SyntaxError as problem:
            accepted = is_another_language(source) or _is_bare_magic(source) or _ipython_accepts(source)
            return None if accepted else problem
        except ValueError as problem:
            return SyntaxError(str(problem))
        except RecursionError:  # how deep is too deep depends on the kernel's stack
            return None
    return None


def compile_cell(tree: ast.Module) -> None:
    """Find what only the compiler refuses, such as `return` outside of a function.

    Args:
        tree: The cell's Python.

    Raises:
        SyntaxError: It refuses something.
        RecursionError: It is nested too deeply.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile(tree, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def _is_bare_magic(source: str) -> bool:
    """Return whether a cell is one line such as `cd /tmp`."""
    name, *words = without_transparent_magics(source).split() or [""]
    return name in _MAGICS.split() and "\n" not in source.strip() and not " ".join(words).startswith("=")


def _ipython_accepts(source: str) -> bool:
    """Return whether a cell is Python once IPython has put its own forms, such as prompts, in Python's."""
    python = with_magic_calls(without_transparent_magics(source))
    try:
        compile_cell(ast.parse(python))
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True
