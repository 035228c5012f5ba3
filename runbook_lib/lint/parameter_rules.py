"""Rules about the values that a runbook is started with: its own, and those of its parameters files."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard

from pydantic import ValidationError

from runbook_lib.errors import InputError, InventoryError, ParameterError
from runbook_lib.execution.step_hosts import wrong_step_hosts
from runbook_lib.inventories.without_programs import NotReadError, read_without_programs
from runbook_lib.inventory import Inventory
from runbook_lib.lint.rules import Finding, NotChecked
from runbook_lib.parameters.one_host import wrong_single_hosts
from runbook_lib.project import NOTEBOOKS, expanded, shown_path
from runbook_lib.yaml_files import YamlFile, explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from runbook_lib.execution.catalog import CatalogEntry
    from runbook_lib.lint.notebook_source import Cell, NotebookSource
    from runbook_lib.parameters import Parameters

__all__ = ["check_parameters_files", "project_of"]

_PARAMS = "params"
_SUFFIXES = {".yml", ".yaml"}


def project_of(notebook: Path) -> Path:
    """Return the directory that relative paths in a notebook and its parameters files start from."""
    folder = notebook.absolute().parent
    return next((above.parent for above in (folder, *folder.parents) if above.name == NOTEBOOKS), folder)


def check_parameters_files(notebook: NotebookSource, entry: CatalogEntry) -> Iterator[Finding | NotChecked]:
    """Yield what is wrong with the values of the parameters cell and of each file `params/**/NAME.yml`."""
    cell = next(cell for cell in notebook.cells if cell.is_parameters)
    yield from _reassigned(notebook, entry, cell)
    yield from _check(notebook, entry, cell, None)
    folder = project_of(notebook.path) / _PARAMS
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.suffix in _SUFFIXES and path.stem == entry.name:
            try:
                source = YamlFile(shown_path(path), ParameterError)
            except InputError as problem:
                yield Finding(str(shown_path(path)), "known-parameters", problem.message)
                continue
            yield from _check(notebook, entry, cell, source)


def _reassigned(notebook: NotebookSource, entry: CatalogEntry, first: Cell) -> Iterator[Finding]:
    """Yield what replaces a parameter before the run opens, whatever a file or the command line has given."""
    for cell in notebook.code[notebook.code.index(first) + 1 :]:
        read = [(node.lineno, node.col_offset) for node in cell.nodes() if _reads_parameters(node)]
        for node in cell.nodes():
            match node:
                case ast.Name(id=name, ctx=ast.Store()) if name in entry.model.model_fields:
                    if not read or (node.lineno, node.col_offset) < min(read):
                        message = f"{name!r} is given another value, in place of the one given to the run"
                        yield notebook.finding("assigned-parameter", message, cell, node.lineno)
        if read:
            return


def _reads_parameters(node: ast.AST) -> TypeGuard[ast.Call]:
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="Runbook"), attr="open") | ast.Attribute(attr="collect")
        ):
            return True
    return False


def _check(
    notebook: NotebookSource, entry: CatalogEntry, cell: Cell, source: YamlFile | None
) -> Iterator[Finding | NotChecked]:
    values = {**entry.defaults, **(source.data if source else {})}
    try:
        parameters = entry.model.model_validate(values)
    except ValidationError as problem:
        for item in problem.errors(include_url=False):
            incomplete = item["type"] == "missing" and source is None
            if not incomplete:  # a parameters file or the command line may give it
                yield _about(
                    notebook, cell, source, item["loc"], explain(item, entry.model), "known-parameters"
                )
        return
    yield from _check_hosts(notebook, cell, source, parameters)


def _check_hosts(
    notebook: NotebookSource, cell: Cell, source: YamlFile | None, parameters: Parameters
) -> Iterator[Finding | NotChecked]:
    top = project_of(notebook.path)
    try:
        sources = read_without_programs(parameters.inventory, lambda item: top / expanded(item))
        inventory = Inventory.of_sources(sources)
    except NotReadError as problem:  # a file may be written later, as the practice hosts' inventory is
        yield NotChecked("step-hosts", parameters.inventory, str(problem))
        return
    except InputError as problem:
        yield _about(notebook, cell, source, ("inventory",), problem.message, "step-hosts")
        return
    try:
        hosts = inventory.select(parameters.hosts)
    except InventoryError as problem:
        yield _about(notebook, cell, source, ("hosts",), problem.message, "step-hosts")
        return
    try:
        for name, several in wrong_single_hosts(parameters.single_hosts, inventory.select, hosts):
            yield _about(notebook, cell, source, (name,), several.message, "step-hosts")
    except InventoryError as problem:
        yield _about(notebook, cell, source, ("hosts",), problem.message, "step-hosts")
    contents: list[Mapping[str, Any]] = [cell.content for cell in notebook.cells]
    for wrong in wrong_step_hosts(contents, parameters, inventory, hosts):
        with_file = f" (with {source.path})" if source else ""
        message = f"{wrong.problem.message}{with_file}"
        yield notebook.finding("step-hosts", message, notebook.cells[wrong.cell - 1], wrong.line)


def _about(  # noqa: PLR0913, PLR0917 - a finding's parts
    notebook: NotebookSource,
    cell: Cell,
    source: YamlFile | None,
    location: tuple[int | str, ...],
    message: str,
    rule: str,
) -> Finding:
    """Return a finding about a value: in the parameters file if it gives the value, else in the parameters cell."""
    line = source.line(location) if source else None
    if source is None or (line is None and location and location[0] in _names(cell)):
        found = notebook.finding(rule, message, cell)
        number = _line_of(cell, str(location[0]) if location else "")
        return replace(found, line=number, file_line=found.file_line + number - 1)
    return Finding(str(source.path), rule, message, line=line or 1, file_line=line or 1)


def _names(cell: Cell) -> set[str]:
    return {line.partition("=")[0].partition(":")[0].strip() for line in cell.source.splitlines()}


def _line_of(cell: Cell, name: str) -> int:
    for number, line in enumerate(cell.source.splitlines(), start=1):
        if line.partition("=")[0].partition(":")[0].strip() == name:
            return number
    return 1
