"""The runbooks in a project: what their metadata declares, and their parameters checked before a kernel starts.

A notebook declares itself a runbook in its metadata::

    "runbook": {"parameters": "runbook_lib.books.docker.parameters:BridgeBr0", "risk": "cuts the network",
                "target": "docker hosts", "needs": ["20_docker_install"]}
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbformat.validator import get_validator
from pydantic import BaseModel, ConfigDict

from runbook_lib.connections.host_inputs import check_host_inputs
from runbook_lib.errors import InputError, ParameterError
from runbook_lib.evidence.judge import SKIP, skipped_cells
from runbook_lib.execution.step_hosts import check_step_hosts
from runbook_lib.inventory import Inventory
from runbook_lib.masking import excerpt
from runbook_lib.parameters import Parameters, literals
from runbook_lib.project import notebooks_folder
from runbook_lib.secrets import Secrets
from runbook_lib.yaml_files import YamlFile, find_shipped, load_yaml, validate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runbook_lib.model.host import Host

__all__ = [
    "CatalogEntry",
    "analyses",
    "check_parameters",
    "find",
    "load",
    "of_notebook",
    "read_parameters",
    "runbooks",
    "target_hosts",
]

_TAG = "parameters"
_FORMAT, _WITH_IDS = (
    4,
    5,
)  # of notebooks: the format's version, and the minor version from which cells have ids
_LONGEST = 200  # characters of a message about a notebook


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
        cells: The notebook's cells.
    """

    name: str
    path: Path
    model: type[Parameters]
    defaults: dict[str, Any]
    target: str
    risk: str
    needs: tuple[str, ...]
    cells: Sequence[Mapping[str, Any]] = ()


def runbooks() -> list[CatalogEntry]:
    """Return the project's runbooks in order, without the notebooks that only analyse."""
    return [load(path) for path in _numbered() if _analysis(path) is None]


def analyses() -> dict[str, str]:
    """Return the purpose of each notebook that only analyses: such a notebook touches no host and leaves no run."""
    purposes = {path.stem: _analysis(path) for path in _numbered()}
    return {name: purpose for name, purpose in purposes.items() if purpose is not None}


def find(name: str, folder: Path | None = None) -> CatalogEntry:
    """Return a runbook by name or path.

    Args:
        name: Its name, or the path of its notebook.
        folder: Where to look up a name. Default: the project's notebooks, or those that come with this package.

    Raises:
        InputError: The notebook does not exist, or is not a runbook.
    """
    path = Path(name)
    if path.suffix != ".ipynb":
        path = (folder or notebooks_folder()) / f"{name}.ipynb"
    if not path.exists():
        known = sorted(item.stem for item in path.parent.glob("[0-9]*.ipynb"))
        raise InputError(
            f"unknown runbook {name!r}", where=str(path), hint=f"known runbooks: {', '.join(known) or 'none'}"
        )
    return load(path)


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
    if not isinstance(own, dict) or "parameters" not in own:
        raise InputError(
            "a notebook, but not a runbook: its metadata has no runbook.parameters",
            where=str(path),
            hint="set runbook.parameters to its parameter model, as module:Class",
        )
    declared = validate(_Declaration, own, InputError, f"{path}, metadata.runbook")
    tagged = [cell for cell in cells if _TAG in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise InputError(f"expected one cell tagged {_TAG!r}, found {len(tagged)}", where=str(path))
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
        model=_model(declared.parameters, path),
        defaults=literals("".join(tagged[0]["source"]), str(path)),
        target=declared.target,
        risk=declared.risk,
        needs=tuple(declared.needs),
        cells=cells,
    )


class _Declaration(BaseModel):
    """What a notebook says about itself as a runbook; see `CatalogEntry`."""

    model_config = ConfigDict(extra="allow", strict=True)

    parameters: str
    target: str = ""
    risk: str = ""
    needs: list[str] = []


def _schema_error(content: dict[str, Any], minor: int) -> str:
    """Return where a notebook is not as the schema of its format wants it, and why; empty if it is."""
    quick, exact = (
        get_validator(_FORMAT, minor, relax_add_props=True, name=name)  # type: ignore[no-untyped-call]
        for name in (None, "jsonschema")
    )
    if quick is None:
        return f"nbformat_minor {minor} is not known"
    if not [*quick.iter_errors(content)]:
        return ""
    wrong = next(iter(exact.iter_errors(content)))
    while wrong.context:  # none of several forms: the deepest error is of the one that was meant
        wrong = max(wrong.context, key=lambda error: len(error.absolute_path))
    place = ".".join(map(str, wrong.absolute_path))
    return f"{place}: {excerpt(wrong.message, _LONGEST)}" if place else excerpt(wrong.message, _LONGEST)


def read_notebook(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a notebook's cells and metadata, if it is one that papermill and Jupyter can work with.

    nbformat's own reader only logs what is wrong with a notebook, and at what it does not expect raises anything.

    Raises:
        InputError: The file is not a notebook of format 4, or not a valid one.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as problem:
        raise InputError(f"not a notebook: {problem}", where=str(path)) from problem
    minor = content.get("nbformat_minor") if isinstance(content, dict) else None
    if (
        type(minor) is not int
        or not isinstance(content.get("cells"), list)
        or content.get("nbformat") != _FORMAT
    ):
        raise InputError(
            f"not a notebook of format {_FORMAT}",
            where=str(path),
            hint="open it in JupyterLab, and save it again",
        )
    # A cell without an id is given one when the notebook is run.
    named = [
        {"id": f"cell-{number}", **cell} if minor >= _WITH_IDS and isinstance(cell, dict) else cell
        for number, cell in enumerate(content["cells"])
    ]
    wrong = _schema_error({**content, "cells": named}, minor)
    if wrong:
        raise InputError(
            f"not a valid notebook: {wrong}", where=str(path), hint="open it in JupyterLab, and save it again"
        )
    return content["cells"], content["metadata"]


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
            values[name] = load_yaml(value)
        except ValueError:
            values[name] = value  # a text, if anything: any other parameter refuses it
    return values, source


def check_parameters(entry: CatalogEntry, values: Mapping[str, Any], source: YamlFile | None) -> Parameters:
    """Return the checked parameters of a run; its inventory, hosts, keys and secrets are checked too.

    Args:
        entry: The runbook.
        values: Parameters beyond its defaults.
        source: The file that most of them come from, for error messages.

    Raises:
        InputError: Any of them is wrong. No host was touched.
    """
    where = str(source.path) if source else f"parameters of {entry.name}"
    parameters = validate(entry.model, {**entry.defaults, **values}, ParameterError, where, source)
    Secrets().resolve_all(parameters)
    inventory = Inventory.load(parameters.inventory)
    hosts = inventory.select(parameters.hosts)
    for host in hosts:
        if host.sudo_password:
            Secrets().resolve(host.sudo_password)
    check_step_hosts(entry.cells, parameters, inventory, hosts, entry.path)
    check_host_inputs(hosts, inventory.path)
    return parameters


def target_hosts(parameters: Parameters) -> list[Host]:
    """Return the hosts that a run with these parameters acts on.

    Raises:
        InventoryError: The inventory or the host pattern is wrong.
    """
    return Inventory.load(parameters.inventory).select(parameters.hosts)


def _numbered() -> list[Path]:
    return sorted(notebooks_folder().glob("[0-9]*.ipynb"))


def _analysis(path: Path) -> str | None:
    """Return what a notebook analyses; None if it is not an analysis or cannot be read, which `load` then reports."""
    try:
        purpose = json.loads(path.read_text(encoding="utf-8"))["metadata"]["runbook"]["analysis"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return str(purpose)


def _model(name: str, path: Path) -> type[Parameters]:
    module, _, attribute = name.partition(":")
    try:
        model = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, SyntaxError, TypeError, ValueError) as problem:
        raise InputError(
            f"the parameter model {name!r} cannot be loaded: {problem}", where=str(path)
        ) from problem
    if not (isinstance(model, type) and issubclass(model, Parameters)):
        raise InputError(f"the parameter model {name!r} is not a subclass of Parameters", where=str(path))
    return model
