"""The runbooks in a project: what their metadata declares, and the parameters that they are given.

A notebook is a runbook if its metadata says so, where all of these are optional, or if a cell opens a run::

    "runbook": {"parameters": "runbook_lib.books.docker.parameters:BridgeBr0", "risk": "cuts the network",
                "target": "docker hosts", "needs": ["20_docker_install"]}

Without `parameters`, a parameter model as module:Class, the parameters cell itself declares them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from runbook_lib.errors import EvidenceError, InputError, ParameterError
from runbook_lib.evidence.judgement import SKIP, skipped_cells
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.execution.model_import import load_model
from runbook_lib.execution.notebook_file import read_notebook
from runbook_lib.known_names import complete_name, unknown_name
from runbook_lib.parameters.cell_model import declared_values
from runbook_lib.project import find_shipped, notebooks_folder
from runbook_lib.runbook.notebook.notebook_parameters import notebook_model, parameters_cell
from runbook_lib.yaml_files import YamlFile, load_value, validate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runbook_lib.evidence.notebook import Cell
    from runbook_lib.parameters import Parameters

__all__ = [
    "CatalogEntry",
    "Listing",
    "find",
    "find_needed",
    "listing",
    "load",
    "of_notebook",
    "opens_a_run",
    "read_parameters",
]

_COLLECTS = ".collect(globals())"
_OPENS = re.compile(r"\bRunbook\.open\(")


@dataclass(frozen=True)
class CatalogEntry:
    """One runbook on disk.

    Args:
        name: The notebook's file name without its suffix.
        path: The notebook.
        model: The class that checks its parameters.
        defaults: Values in its parameters cell.
        target: Which hosts it is for, for `runbook list`.
        risk: What it may interrupt, for `runbook list`.
        needs: Names of the runbooks that must have succeeded before.
        notebook: The notebook, as it was read.
    """

    name: str
    path: Path
    model: type[Parameters]
    defaults: dict[str, Any]
    target: str
    risk: str
    needs: tuple[str, ...]
    notebook: Notebook


class Listing(NamedTuple):
    """The notebooks of a project.

    Args:
        runbooks: In order.
        analyses: The purpose of each notebook that only analyses: such a notebook touches no host and leaves no run.
        others: Names of the notebooks that are neither, such as a scratch notebook.
        problems: What is wrong with each notebook that is meant as a runbook, and is not one.
    """

    runbooks: list[CatalogEntry]
    analyses: dict[str, str]
    others: list[str]
    problems: dict[str, InputError]


def listing() -> Listing:
    """Read the project's notebooks, each once: one that cannot be used does not keep the others from being listed."""
    found = Listing([], {}, [], {})
    for path in sorted(notebooks_folder().glob("*.ipynb")):
        try:
            cells, metadata = read_notebook(path)
            own = metadata.get("runbook")
            if isinstance(own, dict) and "analysis" in own:
                found.analyses[path.stem] = str(own["analysis"])
            elif is_runbook(Notebook(str(path), cells, metadata)):
                found.runbooks.append(of_notebook(cells, metadata, path))
            else:
                found.others.append(path.stem)
        except InputError as problem:
            if path.name[0].isdigit() or _is_meant_as_runbook(path):
                found.problems[path.stem] = problem
            else:
                found.others.append(path.stem)
    return found


def find(name: str, folder: Path | None = None, *, typed: bool = False, named_in: str = "") -> CatalogEntry:
    """Return a runbook by name or path.

    Args:
        name: Its name, or the path of its notebook.
        folder: Where to look up a name. Default: the project's notebooks, or those that come with this package.
        typed: A person has just typed the name, so that a prefix that only one runbook has stands for it. In a file
            it does not: a new runbook would change what the file means.
        named_in: Where a file names it, for the message if there is no such runbook.

    Raises:
        InputError: The notebook does not exist, or is not a runbook.
    """
    path = Path(name)
    if path.suffix != ".ipynb":
        path = (folder or notebooks_folder()) / f"{name}.ipynb"
    if not path.exists():
        if name.endswith(".ipynb"):
            raise InputError(
                "no such file",
                where=f"{named_in}: {name}" if named_in else name,
                hint="`runbook list` shows the runbooks of this project",
            )
        known = sorted(item.stem for item in path.parent.glob("*.ipynb"))
        if not typed:
            raise unknown_name(name, known, kind="runbook", where=named_in or str(path))
        path = path.with_name(f"{complete_name(name, known, kind='runbook', where=str(path.parent))}.ipynb")
    return load(path)


def find_needed(need: str, needing: Path) -> CatalogEntry:
    """Return a runbook that another one needs, from the same directory.

    Args:
        need: Its name.
        needing: The notebook of the other one.

    Raises:
        InputError: As `find`.
    """
    return find(need, needing.parent, named_in=f"{needing}, metadata.runbook.needs")


def load(path: Path) -> CatalogEntry:
    """Read a notebook's metadata and its parameters cell.

    Raises:
        InputError: The file is not a notebook, or not a runbook.
    """
    if path.exists() and not path.is_file():
        raise InputError(
            f"not a notebook: {'a directory' if path.is_dir() else 'not a regular file'}", where=str(path)
        )
    cells, metadata = read_notebook(path)
    return of_notebook(cells, metadata, path)


def of_notebook(cells: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any], path: Path) -> CatalogEntry:
    """Return what a notebook declares, as `load` does.

    Args:
        cells: Its cells.
        metadata: Its metadata.
        path: Its file.

    Raises:
        InputError: It is not a runbook.
    """
    own = metadata.get("runbook")
    if isinstance(own, dict) and "analysis" in own:
        raise InputError(
            "an analysis, not a runbook: it touches no host and leaves no run",
            where=str(path),
            hint=f"run it with papermill {path} out.ipynb",
        )
    notebook = Notebook(str(path), [*map(dict, cells)], dict(metadata))
    sources = notebook.sources()
    if not isinstance(own, dict | None):
        raise InputError(
            "not a runbook: `runbook` in its metadata is not a mapping",
            where=str(path),
            hint='write a mapping there, such as {"target": "web servers"}, or remove it',
        )
    if own is None and not opens_a_run(notebook):
        raise InputError(
            "a notebook, but not a runbook: no cell calls Runbook.open()",
            where=str(path),
            hint="open a run after the parameters cell: book = Runbook.open()",
        )
    declared = validate(_Declaration, own or {}, InputError, f"{path}, metadata.runbook")
    cell = parameters_cell(sources, str(path))
    skipped = skipped_cells(cells)
    if skipped:
        raise InputError(
            f"cell {skipped[0]} is tagged {SKIP!r}: a runbook's cells are all executed",
            where=str(path),
            hint="remove the tag, or the cell",
        )
    return CatalogEntry(
        name=path.stem,
        path=path,
        model=_model(declared, sources, path),
        defaults=declared_values(cell.source, str(path)),
        target=declared.target,
        risk=declared.risk,
        needs=tuple(declared.needs),
        notebook=notebook,
    )


def _model(declared: _Declaration, cells: Sequence[Cell], path: Path) -> type[Parameters]:
    if declared.parameters is not None:
        return load_model(declared.parameters, path)
    collecting = next(
        (cell.position for cell in cells if cell.kind == "code" and _COLLECTS in cell.source), 0
    )
    if collecting:
        raise InputError(
            f"cell {collecting} collects the parameters with a model, and the metadata does not name the model",
            where=str(path),
            hint="set runbook.parameters in the metadata to module:Class, or call Runbook.open() without parameters",
        )
    return notebook_model(cells, path)


class _Declaration(BaseModel):
    """What a notebook says about itself as a runbook; see `CatalogEntry`."""

    model_config = ConfigDict(extra="allow", strict=True)

    parameters: str | None = None
    target: str = ""
    risk: str = ""
    needs: list[str] = []


def read_parameters(
    file: str | None, pairs: Sequence[tuple[str, str]]
) -> tuple[dict[str, Any], YamlFile | None]:
    """Read a parameters file and `-p NAME VALUE` pairs; the pairs override the file.

    Raises:
        ParameterError: The file is missing or malformed, or a value is.
    """
    source = YamlFile(find_shipped(file), ParameterError) if file else None
    values = dict(source.data) if source else {}
    for name, value in pairs:
        try:
            values[name] = load_value(value)
        except ValueError:
            values[name] = value  # a text, if anything: any other parameter refuses it
    return values, source


def is_runbook(notebook: Notebook) -> bool:
    """Return whether a notebook is meant to be a runbook: it says so, or a cell opens a run; an analysis is not one."""
    own = notebook.metadata.get("runbook")
    return not (isinstance(own, dict) and "analysis" in own) and (own is not None or opens_a_run(notebook))


def opens_a_run(notebook: Notebook) -> bool:
    """Return whether a cell of a notebook opens a run."""
    return any(cell.kind == "code" and _OPENS.search(cell.source) for cell in notebook.sources())


def _is_meant_as_runbook(path: Path) -> bool:
    """Return whether a notebook that is not valid would be a runbook."""
    try:
        notebook = Notebook.parse(path.read_bytes(), str(path))
    except (OSError, EvidenceError):
        return False
    return "runbook" in notebook.metadata or opens_a_run(notebook)
