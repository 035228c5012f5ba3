"""The rule about operations and facts that a cell makes and no step gets: nothing is done on any host."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.lint.notebook_source import NotebookSource
    from runbook_lib.lint.rules import Finding

__all__ = ["check_unused_operations"]

_KINDS = {
    "runbook_lib.operations.": "makes an operation: nothing is done",
    "runbook_lib.integrations.pyinfra.": "makes an operation: nothing is done",
    "runbook_lib.facts.": "names a fact: nothing is read",
}
"""Beginning of a name with its module -> what calling it does, and does not do."""


def check_unused_operations(notebook: NotebookSource) -> Iterator[Finding]:
    """Yield each operation or fact that nothing is done with, as where `book.step(…)` was forgotten.

    It is a statement of its own, or assigned to a name that no cell uses.
    """
    nodes = [node for cell in notebook.code for node in cell.nodes()]
    names = _imported(nodes)
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.pop(node.id, None)  # it may be something else by then
    for cell in notebook.code:
        for node in cell.nodes():
            for call, assigned in _unused(node, used):
                name = _dotted(call.func, names)
                said = next((text for start, text in _KINDS.items() if name.startswith(start)), "")
                if said:
                    message = f"`{ast.unparse(call.func)}(…)` alone only {said}"
                    message += f", and no cell uses {assigned!r}" if assigned else ""
                    yield notebook.finding("unused-operation", message, cell, call.lineno)


def _imported(nodes: list[ast.AST]) -> dict[str, str]:
    """Return what the notebook imports: name -> name with its module."""
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {item.asname or item.name: f"{node.module}.{item.name}" for item in node.names}
        elif isinstance(node, ast.Import):
            for item in node.names:
                first = item.name.partition(".")[0]
                found |= {item.asname: item.name} if item.asname else {first: first}
    return found


def _unused(node: ast.AST, used: set[str]) -> Iterator[tuple[ast.Call, str]]:
    """Yield the calls whose results nothing is done with, each with the name to which its result is assigned."""
    match node:
        case ast.Expr(value=value):
            yield from ((call, "") for call in _made_by(value))
        case ast.Assign(targets=targets, value=value):
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if len(names) == len(targets) and used.isdisjoint(names):
                yield from ((call, names[0]) for call in _made_by(value))
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if name not in used:
            yield from ((call, name) for call in _made_by(value))


def _made_by(value: ast.expr) -> Iterator[ast.Call]:
    """Yield the calls whose results are the value of a statement, also those in a list."""
    match value:
        case ast.Call():
            yield value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            for item in items:
                yield from _made_by(item)
        case ast.ListComp(elt=item):
            yield from _made_by(item)


def _dotted(function: ast.expr, names: dict[str, str]) -> str:
    """Return the name of a function with its module; empty if it is not known from the imports."""
    match function:
        case ast.Name(id=name):
            return names.get(name, "")
        case ast.Attribute(value=value, attr=attribute):
            of = _dotted(value, names)
            return f"{of}.{attribute}" if of else ""
    return ""
