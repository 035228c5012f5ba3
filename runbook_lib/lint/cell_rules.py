"""Rules about the cells of any notebook, runbook or analysis."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError
from runbook_lib.execution.cell_python import is_another_language
from runbook_lib.parameters.cell_model import declared_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runbook_lib.lint.notebook_source import Cell, NotebookSource
    from runbook_lib.lint.rules import Finding

__all__ = ["check_cells"]

_MOST_LINES = 8
_PLACE = re.compile(r"^parameters cell(, line \d+)?: ")  # the finding has the place
_PACKAGE = "runbook_lib"
_PROCESS_MODULES = {
    "asyncio.subprocess",
    "concurrent.futures.process",
    "fabric",
    "invoke",
    "multiprocessing",
    "paramiko",
    "pexpect",
    "pty",
    "sh",
    "subprocess",
}
_PROCESS_FUNCTIONS = {
    "os": re.compile(r"system|popen|fork(pty)?|(exec|spawn|posix_spawn)\w*"),
    "asyncio": re.compile(r"create_subprocess_(exec|shell)"),
    "concurrent.futures": re.compile(r"ProcessPoolExecutor"),
}
_IMPORTS_BY_NAME = {"import_module", "__import__"}
_SHELL_METHODS = {"system", "getoutput", "getoutput_split", "system_raw", "system_piped"}
_SHELL_MAGICS = {"!", "bash", "sh", "script", "system", "sx", "cmd", "ksh", "perl", "ruby"}
_SHELL_MAGICS |= {"python", "python2", "python3", "pypy"}  # another process, too
_SHELL_MAGICS |= {"pip", "conda", "mamba", "micromamba", "uv"}  # and these install something for that
_RUNS_MAGIC = {"run_line_magic", "run_cell_magic"}


def check_cells(notebook: NotebookSource) -> Iterator[Finding]:
    """Yield what is wrong with the cells, cell by cell."""
    yield from _prose_first(notebook)
    yield from _parameters_cell(notebook)
    ids: dict[str, int] = {}
    for cell in notebook.cells:
        yield from _identified(notebook, cell, ids)
        if not cell.is_code:
            continue
        yield from _cleared(notebook, cell)
        if isinstance(cell.tree, SyntaxError):
            yield notebook.finding(
                "syntax", f"not valid Python: {cell.tree.msg}", cell, min(cell.tree.lineno or 1, _lines(cell))
            )
            continue
        yield from _small(notebook, cell)
        yield from _processes(notebook, cell)
        yield from _imports(notebook, cell)


def _lines(cell: Cell) -> int:
    return max(len(cell.source.splitlines()), 1)


def _prose_first(notebook: NotebookSource) -> Iterator[Finding]:
    first = notebook.cells[0] if notebook.cells else None
    if first is None or not (first.is_prose and first.source.startswith("# ")):
        yield notebook.finding(
            "prose", "the notebook does not begin with a heading (`# …`) that says what it is for", first
        )


def _parameters_cell(notebook: NotebookSource) -> Iterator[Finding]:
    tagged = [cell for cell in notebook.cells if cell.is_parameters]
    if not tagged:
        yield notebook.finding("parameters-cell", "no cell is tagged `parameters`")
        return
    for cell in tagged[1:]:
        yield notebook.finding("parameters-cell", "another cell is tagged `parameters` too", cell)
    first = tagged[0]
    if first is not next(iter(notebook.code), None):
        yield notebook.finding("parameters-cell", "the parameters cell is not the first code cell", first)
    if not first.is_code or isinstance(first.tree, SyntaxError):
        return  # the second is a finding of its own
    for statement in first.tree.body:
        try:
            declared_values(ast.unparse(statement), "")
        except InputError as problem:
            yield notebook.finding(
                "literal-parameters",
                _PLACE.sub("", problem.message),
                first,
                statement.lineno,
            )


def _identified(notebook: NotebookSource, cell: Cell, ids: dict[str, int]) -> Iterator[Finding]:
    if not cell.id:
        yield notebook.finding("cell-id", "the cell has no id", cell)
    elif cell.id in ids:
        yield notebook.finding("cell-id", f"the id {cell.id!r} is that of cell {ids[cell.id]} too", cell)
    else:
        ids[cell.id] = cell.number


def _cleared(notebook: NotebookSource, cell: Cell) -> Iterator[Finding]:
    outputs = len(cell.content["outputs"])
    if outputs:
        yield notebook.finding("outputs", f"the cell holds {outputs} output{'s' * (outputs > 1)}", cell)
    if cell.content["execution_count"] is not None:
        yield notebook.finding(
            "execution-count", f"the cell holds the execution count {cell.content['execution_count']}", cell
        )


def _small(notebook: NotebookSource, cell: Cell) -> Iterator[Finding]:
    if not isinstance(cell.tree, ast.Module):
        return
    only_imports = all(isinstance(node, ast.Import | ast.ImportFrom) for node in cell.tree.body)
    lines = sum(1 for line in cell.python.splitlines() if line.strip())
    if lines > _MOST_LINES and not (cell.is_parameters or only_imports or is_another_language(cell.source)):
        yield notebook.finding("cell-size", f"the cell has {lines} lines of code", cell)
    for node in cell.nodes():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            yield notebook.finding(
                "definition", f"the {kind} {node.name!r} is defined here", cell, node.lineno
            )


def _processes(notebook: NotebookSource, cell: Cell) -> Iterator[Finding]:
    modules = _module_names(notebook)
    for node in cell.nodes():
        said = _process(node, modules)
        if said:
            line = min(getattr(node, "lineno", 1), _lines(cell))
            yield notebook.finding("raw-shell", f"{said}: what it does is not recorded", cell, line)


def _module_names(notebook: NotebookSource) -> dict[str, str]:
    """Return the names by which any cell knows a module with functions that start processes."""
    trees = [cell for cell in notebook.cells if cell.is_code and not isinstance(cell.tree, SyntaxError)]
    names = {module: module for module in _PROCESS_FUNCTIONS}
    for node in (node for cell in trees for node in cell.nodes()):
        if isinstance(node, ast.Import):
            names |= {name.asname: name.name for name in node.names if name.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    return names


def _starts_processes(module: str, function: str = "") -> bool:
    if not function:
        return any(module == name or module.startswith(f"{name}.") for name in _PROCESS_MODULES)
    known = _PROCESS_FUNCTIONS.get(module)
    return known is not None and (function == "*" or known.fullmatch(function) is not None)


def _process(node: ast.AST, modules: Mapping[str, str]) -> str:
    """Return which part of the source starts a process; empty if it does not.

    Args:
        node: A part of the source.
        modules: Names of modules that have functions for it.
    """
    return _process_import(node) or _process_call(node, modules)


def _process_import(node: ast.AST) -> str:
    match node:
        case ast.Import(names=names):
            return next((f"`import {name.name}`" for name in names if _starts_processes(name.name)), "")
        case ast.ImportFrom(module=str(module), names=names):
            found = [
                name.name
                for name in names
                if _starts_processes(module, name.name) or _starts_processes(f"{module}.{name.name}")
            ]
            if _starts_processes(module) or found:
                return f"`from {module} import {', '.join(found or [name.name for name in names])}`"
    return ""


def _process_call(node: ast.AST, modules: Mapping[str, str]) -> str:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name() | ast.Attribute() as module, attr=function)) if (
            _starts_processes(modules.get(ast.unparse(module), ""), function)
        ):
            return f"`{ast.unparse(module)}.{function}`"
        case ast.Call(
            func=ast.Name(id=function) | ast.Attribute(attr=function),
            args=[ast.Constant(value=str(name)), *_],
        ) if function in _IMPORTS_BY_NAME and _starts_processes(name):
            return f"`{function}({name!r})`"
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=method)) if (
            method in _SHELL_METHODS
        ):
            return "a shell command (`!…`)"
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=method),
            args=[ast.Constant(value=str(magic)), *_],
        ) if method in _RUNS_MAGIC and magic in _SHELL_MAGICS:
            return f"the magic `%{magic}`"
    return ""


def _imports(notebook: NotebookSource, cell: Cell) -> Iterator[Finding]:
    for node in cell.nodes():
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        for name in names:
            missing = _missing(module, name)
            if missing:
                yield notebook.finding("import", missing, cell, getattr(node, "lineno", 1))


def _missing(module: str, name: str) -> str:
    """Return what does not exist of `from module import name`, or of `import name`, in this package."""
    whole = module or name
    if whole.partition(".")[0] != _PACKAGE:
        return ""
    try:
        loaded = importlib.import_module(whole)
    except ImportError as problem:
        return f"cannot import {whole}: {problem}"
    # What is declared is not imported: it may need the packages of an extra, which linting does not.
    if not module or name == "*" or name in getattr(loaded, "__all__", ()) or hasattr(loaded, name):
        return ""
    found = hasattr(loaded, "__path__") and importlib.util.find_spec(f"{module}.{name}")
    return "" if found else f"{module} has no {name}"
