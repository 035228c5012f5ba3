"""The hosts that a notebook's steps name, as far as its source shows, checked before the run starts.

Known are constant texts and parameters (`hosts=p.server`) of steps, transactions and batches that are carried out in
any case: not inside an `if`, a loop or a function. Any other pattern is checked when its step is reached.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.display.magics import magic_of
from runbook_lib.errors import InventoryError, ParameterError
from runbook_lib.execution.cell_python import cell_tree
from runbook_lib.execution.step_calls import WITH_HOSTS, other_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from runbook_lib.errors import InputError
    from runbook_lib.host_settings import Host
    from runbook_lib.inventory import Inventory
    from runbook_lib.parameters import Parameters

__all__ = ["HOSTS_COME_FIRST", "WrongHosts", "check_step_hosts", "wrong_step_hosts"]

HOSTS_COME_FIRST = frozenset({"shell", "look"})
"""Methods of a run whose first argument is the hosts; that of the others is the title."""


@dataclass(frozen=True)
class _Named:
    """A pattern of hosts that a step names.

    Args:
        pattern: As `docker` or `host-a,host-b`.
        cell: The cell's number, from 1.
        line: The line in the cell, from 1.
    """

    pattern: str
    cell: int
    line: int


@dataclass(frozen=True)
class WrongHosts:
    """A step whose hosts are wrong.

    Args:
        cell: The cell's number, from 1.
        line: The line in the cell, from 1.
        problem: What is wrong.
    """

    cell: int
    line: int
    problem: InputError


def check_step_hosts(
    cells: Sequence[Mapping[str, Any]],
    parameters: Parameters,
    inventory: Inventory,
    hosts: Sequence[Host],
    path: Path,
) -> None:
    """Check every pattern of hosts that is known before the run.

    Args:
        cells: The notebook's cells.
        parameters: The run's parameters.
        inventory: Its inventory.
        hosts: Its hosts.
        path: The notebook, for messages.

    Raises:
        InputError: A pattern names an unknown host or group, or none of the run's hosts.
    """
    for wrong in wrong_step_hosts(cells, parameters, inventory, hosts):
        problem = wrong.problem
        place = f"{path}, cell {wrong.cell}, line {wrong.line}"
        raise type(problem)(problem.message, where=place, hint=problem.hint) from problem


def wrong_step_hosts(
    cells: Sequence[Mapping[str, Any]], parameters: Parameters, inventory: Inventory, hosts: Sequence[Host]
) -> Iterator[WrongHosts]:
    """Yield each pattern that names an unknown host or group, or none of the run's hosts; see `check_step_hosts`."""
    own = {host.name for host in hosts}
    for named in _patterns(cells, parameters):
        try:
            chosen = inventory.select(named.pattern)
        except InventoryError as problem:
            unknown = InventoryError(f"the step's hosts: {problem.message}", hint=problem.hint)
            yield WrongHosts(named.cell, named.line, unknown)
            continue
        if own.isdisjoint(host.name for host in chosen):
            message = f"the step's hosts, {named.pattern!r}, are not among this run's hosts ({', '.join(sorted(own))})"
            outside = ParameterError(message, hint="widen the parameter `hosts`")
            yield WrongHosts(named.cell, named.line, outside)


def _patterns(cells: Sequence[Mapping[str, Any]], parameters: Parameters) -> Iterator[_Named]:
    books: set[str] = set()
    models: set[str] = set()
    for number, cell in enumerate(cells, start=1):
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            continue
        magic = magic_of(source)
        if magic:
            _, pattern = magic
            if pattern and not set(pattern) & set("{}$"):  # IPython would replace variables
                yield _Named(pattern, number, 1)
            continue
        try:
            tree = cell_tree(source)
        except (SyntaxError, ValueError, RecursionError):
            continue
        for statement in _unconditional(tree.body):
            books |= _assigned_from(statement, "open") | other_names([statement], books)
            models |= _assigned_from(statement, "collect")
            for call in _calls(statement, books):
                known = _value(call, models, parameters)
                if isinstance(known, str):
                    yield _Named(known, number, call.lineno)


def _unconditional(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if isinstance(statement, ast.With):
            yield from (
                ast.Expr(item.context_expr) for item in statement.items
            )  # as in `with book.transaction(…):`
            yield from _unconditional(statement.body)
        elif isinstance(statement, ast.For):
            yield ast.Expr(statement.iter)  # as in `for batch in book.batches(…):`
        elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr):
            yield statement


def _assigned_from(statement: ast.stmt, method: str) -> set[str]:
    """Return the names that get the result of a method: `book = Runbook.open(p)`."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Attribute(attr=attribute))) if (
            attribute == method
        ):
            return {name}
    return set()


def _calls(statement: ast.stmt, books: set[str]) -> Iterator[ast.Call]:
    """Yield the calls on a run, also those in arguments: `enumerate(book.batches(…))`."""
    values = [getattr(statement, "value", None)]
    while values:
        value = values.pop()
        if not isinstance(value, ast.Call):
            continue
        match value.func:
            case ast.Attribute(value=ast.Name(id=name)) if name in books:
                yield value
        values += [*value.args, *(word.value for word in value.keywords)]


def _value(call: ast.Call, models: set[str], parameters: Parameters) -> object:
    """Return the pattern of hosts that a step is given; None if there is none, or it is not known."""
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    given = [word.value for word in call.keywords if word.arg == "hosts"] if method in WITH_HOSTS else []
    if method in HOSTS_COME_FIRST:
        given += call.args[:1]
    match next(iter(given), None):
        case ast.Constant(value=value):
            return value
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in models:
            return getattr(parameters, attribute, None)
    return None
