"""Matrix files: a fleet's runs, listed one by one and as a cross product.

parameters: {mode: plan}             # for all of them
runs:
- runbook: 20_docker_install
  file: params/lab/20_docker_install.yml
  parameters: {hosts: host-a}
cross:
  runbook: [00_preflight]
  parameters:
    hosts: [host-a, host-b]
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from runbook_lib.errors import ParameterError
from runbook_lib.execution import catalog
from runbook_lib.execution.fleet.job import JobSpec
from runbook_lib.project import find_upwards
from runbook_lib.yaml_files import YamlFile, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runbook_lib.execution.catalog import CatalogEntry

__all__ = ["read"]

_STRICT = ConfigDict(extra="forbid", strict=True)


class _Run(BaseModel):
    model_config = _STRICT

    runbook: str = Field(description="Name or path.")
    name: str = Field(default="", description="What to call the run; derived from its parameters if empty.")
    file: str | None = Field(default=None, description="Parameters file.")
    parameters: dict[str, Any] = Field(default_factory=dict)


class _Cross(BaseModel):
    model_config = _STRICT

    runbook: list[str] = Field(min_length=1)
    file: str | None = None
    parameters: dict[str, list[Any]] = Field(default_factory=dict, description="Lists of values.")


class Matrix(BaseModel):
    """What a matrix file may hold."""

    model_config = _STRICT

    parameters: dict[str, Any] = Field(default_factory=dict, description="For all runs.")
    runs: list[_Run] = Field(default_factory=list)
    cross: _Cross | None = None


def read(
    path: str, values: Mapping[str, Any], overrides: Callable[[CatalogEntry], Mapping[str, Any]]
) -> list[JobSpec]:
    """Return the jobs that a matrix file lists.

    Args:
        path: The file.
        values: Parameters for all jobs; the file's own override them.
        overrides: Returns the parameters of a runbook that override the file's.

    Raises:
        InputError: The file, or a file or runbook that it names, does not exist or is malformed.
    """
    file = YamlFile(find_upwards(path), ParameterError)
    matrix = validate(Matrix, file.data, ParameterError, str(file.path), file)
    specs = []
    read_parameters, find = functools.cache(catalog.read_parameters), functools.cache(catalog.find)
    lines = [file.line(("runs", number)) for number, _ in enumerate(matrix.runs)]
    for number, run in enumerate([*matrix.runs, *_product(matrix.cross)]):
        own, source = read_parameters(run.file, ())
        entry = find(run.runbook)
        merged = {**values, **matrix.parameters, **own, **run.parameters, **overrides(entry)}
        place = f"{file.path}, line {lines[number]}" if number < len(lines) else str(file.path)
        specs.append(JobSpec(entry, merged, source, run.name, place))
    if not specs:
        raise ParameterError(
            "lists no runs", where=str(file.path), hint="list them under runs:, or give axes under cross:"
        )
    return _labeled(specs)


def _product(cross: _Cross | None) -> Iterator[_Run]:
    if cross is None:
        return
    for runbook in cross.runbook:
        for chosen in itertools.product(*cross.parameters.values()):
            parameters = dict(zip(cross.parameters, chosen, strict=True))
            yield _Run(runbook=runbook, file=cross.file, parameters=parameters)


def _labeled(specs: list[JobSpec]) -> list[JobSpec]:
    """Label jobs that have no name: the runbook, and the parameters that differ from other jobs of the runbook."""
    labeled = []
    for spec in specs:
        alike = [other for other in specs if other.entry.name == spec.entry.name]
        differing = [
            f"{name}={value}"
            for name, value in spec.values.items()
            if any(other.values.get(name) != value for other in alike)
        ]
        labeled.append(replace(spec, label=spec.label or " ".join([spec.entry.name, *differing])))
    return labeled
