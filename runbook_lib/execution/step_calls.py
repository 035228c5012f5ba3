"""How a run, its steps and their titles stand in a notebook's source."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from runbook_lib.display.magics import magic_of
from runbook_lib.execution.cell_python import cell_tree

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from runbook_lib.evidence.notebook import Cell

__all__ = [
    "STEP_METHODS",
    "TITLES",
    "WITH_HOSTS",
    "StepCall",
    "calls_on",
    "opened_runs",
    "other_names",
    "step_calls",
    "title_of",
]

STEP_METHODS = frozenset({"step", "facts", "check", "look", "shell", "task"})
"""Methods of a run that carry out a step, for lint, `runbook show`, `--resume` and the check of hosts."""

WITH_HOSTS = STEP_METHODS | {"transaction", "batches"}
"""Methods of a run that can be given hosts: `runbook show` lists them, and a wrong host is refused before the run."""

TITLES = {"step": "title", "facts": "title", "check": "title", "task": "title", "transaction": "name"}
"""Method of a run -> its argument that is the title in the record."""


class StepCall(NamedTuple):
    """A call of a run's method, or a cell magic that stands for one.

    Args:
        method: The method.
        title: Its title as written, or its hosts if it has no title; None if there is neither.
    """

    method: str
    title: ast.expr | None


def step_calls(cells: Iterable[Cell], methods: Collection[str]) -> Iterator[StepCall]:
    """Yield the calls of some methods on a notebook's runs, in the order of the source.

    Args:
        cells: The notebook's cells; those that are not Python are left out.
        methods: The methods.
    """
    names = {"book"}
    for cell in cells:
        if cell.kind != "code":
            continue
        magic = magic_of(cell.source)
        if magic:
            method, hosts = magic
            if method in methods:
                yield StepCall(method, ast.Constant(hosts))
            continue
        try:
            nodes = [*ast.walk(cell_tree(cell.source))]
        except (SyntaxError, ValueError, RecursionError):  # another language
            continue
        names |= {*opened_runs(nodes)}
        names |= other_names(nodes, names)
        yield from (StepCall(method, title_of(call)) for method, call in calls_on(nodes, names, methods))


def opened_runs(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the variables that are set to a new run: `book = Runbook.open(p)`."""
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign) and _opens(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def other_names(nodes: Iterable[ast.AST], names: Collection[str]) -> set[str]:
    """Return the variables that are set to one of some variables, in the order of the nodes: `b = book`."""
    found: set[str] = set()
    for node in nodes:
        match node:
            case ast.Assign(targets=targets, value=ast.Name(id=name)) if name in names or name in found:
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def calls_on(
    nodes: Iterable[ast.AST], names: Collection[str], methods: Collection[str]
) -> list[tuple[str, ast.Call]]:
    """Return the calls of some methods on some variables, each after its method, in the order of the source."""
    found = []
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if (
                name in names and method in methods
            ):
                found.append((method, node))
    return sorted(found, key=lambda call: (call[1].lineno, call[1].col_offset))


def title_of(call: ast.Call) -> ast.expr | None:
    """Return a step's title, or a transaction's name, as written; None if there is none.

    It is the first argument, or the one of the name in `TITLES`; of a method without a title it is the hosts.
    """
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    named = (word.value for word in call.keywords if word.arg == TITLES.get(method, "hosts"))
    return call.args[0] if call.args else next(named, None)


def _opens(value: ast.expr | None) -> bool:
    match value:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="Runbook"), attr="open")):
            return True
    return False
