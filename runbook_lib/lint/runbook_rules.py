"""Rules about a runbook: what it declares, its steps, and its end."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError
from runbook_lib.evidence.judgement import SKIP
from runbook_lib.execution.catalog import CatalogEntry, of_notebook
from runbook_lib.execution.step_calls import STEP_METHODS, TITLES, calls_on, title_of
from runbook_lib.lint.unused_operations import check_unused_operations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.lint.notebook_source import Cell, NotebookSource
    from runbook_lib.lint.rules import Finding

__all__ = ["check_runbook", "declared_entry"]

_TAGS = {
    SKIP: "a runbook's cells are all executed",
    "raises-exception": "after an error in the cell, the next cells would still be executed",
}
_EXITS = {"exit", "quit", "sys.exit", "os._exit", "SystemExit"}
_NO_EXIT = "let a failed check, or an error, end the notebook: then the record has the reason"


def declared_entry(notebook: NotebookSource) -> CatalogEntry | Finding:
    """Return the runbook that a notebook declares, or why `runbook run` would refuse it."""
    try:
        return of_notebook([cell.content for cell in notebook.cells], notebook.metadata, notebook.path)
    except InputError as problem:
        return notebook.finding("declaration", problem.message, hint=problem.hint or "")


def check_runbook(notebook: NotebookSource) -> Iterator[Finding]:
    """Yield what is wrong with the runbook's declaration, steps and end."""
    yield from _declared(notebook)
    yield from _introduced(notebook)
    yield from _titles(notebook)
    yield from check_unused_operations(notebook)
    yield from _tagged(notebook)
    yield from _exits(notebook)
    yield from _closed(notebook)


def _declared(notebook: NotebookSource) -> Iterator[Finding]:
    declared = notebook.metadata.get("runbook")
    if not isinstance(declared, dict):
        return  # `declared_entry` says so
    for name, purpose in (("target", "which hosts it is for"), ("risk", "what it may interrupt")):
        if not declared.get(name):
            yield notebook.finding("declaration", f"runbook.{name} is missing or empty: {purpose}")
    needs = declared.get("needs")
    for needed in needs if isinstance(needs, list) else []:
        if not (notebook.path.parent / f"{needed}.ipynb").exists():
            yield notebook.finding("declaration", f"runbook.needs names {needed!r}, which is not next to it")


def _introduced(notebook: NotebookSource) -> Iterator[Finding]:
    """Yield the first step if no prose stands between it and the cell that opens the run."""
    prose = False
    for cell in notebook.cells:
        prose = prose or cell.is_prose
        if cell.is_code and notebook.books(cell):
            prose = False
        steps = calls_on(cell.nodes(), notebook.all_books, STEP_METHODS) if cell.is_code else []
        if steps and not prose:
            yield notebook.finding("prose", "no prose introduces the first step", cell, steps[0][1].lineno)
        if steps:
            return


def _titles(notebook: NotebookSource) -> Iterator[Finding]:
    known: dict[tuple[str, str], int] = {}
    for cell in notebook.code:
        for method, call in calls_on(cell.nodes(), notebook.all_books, TITLES):
            what = "transaction" if method == "transaction" else "step"
            name, title = TITLES[method], title_of(call)
            problem = _wrong_title(title, what, name)
            text = ast.unparse(title) if title is not None else ""
            if problem:
                yield notebook.finding("step-title", problem, cell, call.lineno)
            elif (what, text) in known:
                message = f"the {name} {text} is that of a {what} in cell {known[what, text]} too"
                yield notebook.finding("step-title", message, cell, call.lineno)
            known.setdefault((what, text), cell.number)


def _wrong_title(title: ast.expr | None, what: str, name: str) -> str:
    match title:
        case None:
            return f"the {what} has no {name}"
        case ast.Constant(value=str(text)):
            return "" if text.strip() else f"the {what}'s {name} is empty"
        case ast.JoinedStr(values=parts):
            texts = [part.value for part in parts if isinstance(part, ast.Constant)]
            wordless = not any(str(text).strip() for text in texts)
            return f"the {what}'s {name} consists of variables only" if wordless else ""
        case ast.Constant():
            return f"the {what}'s {name} is not a text: {ast.unparse(title)}"
    return f"the {what}'s {name} is not written out in the source: {ast.unparse(title)}"


def _tagged(notebook: NotebookSource) -> Iterator[Finding]:
    for cell in notebook.code:
        for tag in cell.content["metadata"].get("tags", []):
            if tag in _TAGS:
                yield notebook.finding("cell-tags", f"the cell is tagged {tag!r}: {_TAGS[tag]}", cell)


def _exits(notebook: NotebookSource) -> Iterator[Finding]:
    """Yield what ends the kernel, or the execution of the cells, so that the last cell does not close the run."""
    for cell in notebook.code:
        for node in cell.nodes():
            match node:
                case ast.Call(func=ended) | ast.Raise(exc=ast.Name() as ended) if (
                    ast.unparse(ended) in _EXITS
                ):
                    message = f"`{ast.unparse(ended)}` ends the notebook here: the run is not closed"
                    yield notebook.finding("close", message, cell, node.lineno, hint=_NO_EXIT)


def _closed(notebook: NotebookSource) -> Iterator[Finding]:
    last = notebook.code[-1] if notebook.code else None
    if last is None or not _ends_with_close(last, notebook.all_books):
        yield notebook.finding("close", "the last code cell does not end with `close()`", last)


def _ends_with_close(cell: Cell, books: set[str]) -> bool:
    if not isinstance(cell.tree, ast.Module) or not cell.tree.body:
        return False
    match cell.tree.body[-1]:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="close"))):
            return name in books
    return False
