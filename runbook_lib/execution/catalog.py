"""Runbooks found on disk: what each says of itself, and its parameters checked before a kernel starts.

A notebook says so in its metadata::

    "runbook": {"parameters": "runbook_lib.books.docker.parameters:BridgeBr0", "risk": "cuts the network",
                "target": "docker hosts", "needs": ["20_docker_install"]}
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import yaml

from runbook_lib.errors import InputError, ParameterError
from runbook_lib.inventory import Inventory
from runbook_lib.parameters import Parameters, literals
from runbook_lib.project import project_top
from runbook_lib.secrets import Secrets
from runbook_lib.yaml_files import YamlFile, find_upwards, validate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runbook_lib.inventory import Host

__all__ = ["Entry", "analyses", "catalog", "check", "find", "given", "hosts_of"]

_TAG = "parameters"


@dataclass(frozen=True)
class Entry:
    """One runbook on disk."""

    name: str
    path: Path
    model: type[Parameters]
    defaults: dict[str, Any]
    target: str
    risk: str
    needs: tuple[str, ...]


def catalog() -> list[Entry]:
    """Return the project's runbooks in order; notebooks that only analyse are none."""
    return [load(path) for path in _numbered() if _analysis(path) is None]


def analyses() -> dict[str, str]:
    """Return the project's notebooks that only analyse, and what each does: they touch no host and leave no run."""
    told = {path.stem: _analysis(path) for path in _numbered()}
    return {name: purpose for name, purpose in told.items() if purpose is not None}


def find(name: str) -> Entry:
    """Return a runbook by name or path.

    Raises:
        InputError: There is none, or it is no runbook.
    """
    path = Path(name)
    if path.suffix != ".ipynb":
        path = project_top() / "notebooks" / f"{name}.ipynb"
    if not path.exists():
        known = sorted(item.stem for item in path.parent.glob("[0-9]*.ipynb"))
        raise InputError(
            f"there is no runbook {name!r}", where=str(path), hint=f"runbooks are: {', '.join(known)}"
        )
    return load(path)


def load(path: Path) -> Entry:
    """Read a notebook's metadata and its parameters cell.

    Raises:
        InputError: It is no notebook, or no runbook.
    """
    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, nbformat.ValidationError) as problem:
        raise InputError(f"is no notebook: {problem}", where=str(path)) from problem
    told = notebook.metadata.get("runbook")
    if isinstance(told, dict) and "analysis" in told:
        raise InputError(
            "is an analysis, no runbook: it touches no host and leaves no run",
            where=str(path),
            hint=f"papermill {path} out.ipynb",
        )
    if not isinstance(told, dict) or "parameters" not in told:
        raise InputError(
            "is a notebook but no runbook: its metadata has no runbook.parameters",
            where=str(path),
            hint="name its parameter model there, as module:Class",
        )
    cells = [cell for cell in notebook.cells if _TAG in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise InputError(f"has {len(cells)} cells tagged {_TAG!r}, not one", where=str(path))
    return Entry(
        name=path.stem,
        path=path,
        model=_model(told["parameters"], path),
        defaults=literals(cells[0].source, str(path)),
        target=told.get("target", ""),
        risk=told.get("risk", ""),
        needs=tuple(told.get("needs", ())),
    )


def given(file: str | None, pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, Any], YamlFile | None]:
    """Return what a parameters file and `-p NAME VALUE` pairs give; the pairs win.

    Raises:
        ParameterError: The file is missing or malformed, or a value is.
    """
    source = YamlFile(find_upwards(file), ParameterError) if file else None
    values = dict(source.data) if source else {}
    for name, value in pairs:
        try:
            values[name] = yaml.safe_load(value)
        except yaml.YAMLError as problem:
            raise ParameterError(f"{value!r} is no YAML value", where=f"-p {name}") from problem
    return values, source


def check(entry: Entry, values: Mapping[str, Any], source: YamlFile | None) -> Parameters:
    """Return the parameters a run would have; inventory, hosts and secrets are looked up too.

    Raises:
        InputError: Anything in them is wrong. No host was touched.
    """
    where = str(source.path) if source else f"parameters of {entry.name}"
    parameters = validate(entry.model, {**entry.defaults, **values}, ParameterError, where, source)
    Secrets().resolve_all(parameters)
    for host in hosts_of(parameters):
        if host.sudo_password:
            Secrets().resolve(host.sudo_password)
    return parameters


def hosts_of(parameters: Parameters) -> list[Host]:
    """Return the hosts that a run with these parameters acts on.

    Raises:
        InventoryError: The inventory or the choice of hosts is wrong.
    """
    return Inventory.load(parameters.inventory).select(parameters.hosts)


def _numbered() -> list[Path]:
    return sorted((project_top() / "notebooks").glob("[0-9]*.ipynb"))


def _analysis(path: Path) -> str | None:
    """Return what a notebook analyses; None where it is no analysis, or cannot be read, which `load` then tells."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))["metadata"]["runbook"]["analysis"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(told)


def _model(name: str, path: Path) -> type[Parameters]:
    module, _, attribute = name.partition(":")
    try:
        model = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as problem:
        raise InputError(
            f"its parameter model {name!r} cannot be loaded: {problem}", where=str(path)
        ) from problem
    if not (isinstance(model, type) and issubclass(model, Parameters)):
        raise InputError(f"its parameter model {name!r} is no Parameters class", where=str(path))
    return model
