"""A fleet's runs from a file: listed one by one, and as a cross product.

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

import itertools
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from runbook_lib.errors import ParameterError
from runbook_lib.execution import catalog
from runbook_lib.execution.fleet.job_graph import Wanted
from runbook_lib.yaml_files import YamlFile, find_upwards, validate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["read"]

_STRICT = ConfigDict(extra="forbid", strict=True)


class _Run(BaseModel):
    model_config = _STRICT

    runbook: str = Field(description="Name or path.")
    name: str = Field(default="", description="What to call the run; made from its parameters without it.")
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


def read(path: str, values: Mapping[str, Any], winning: Mapping[str, Any]) -> list[Wanted]:
    """Return the runs that a matrix file asks for.

    Args:
        path: The file.
        values: Parameters for all of them, which the file's own win over.
        winning: Parameters that win over the file's.

    Raises:
        InputError: The file, or a file or runbook that it names, is missing or wrong.
    """
    file = YamlFile(find_upwards(path), ParameterError)
    matrix = validate(Matrix, file.data, ParameterError, str(file.path), file)
    wanted = []
    for run in [*matrix.runs, *_product(matrix.cross)]:
        own, source = catalog.given(run.file, ())
        told = {**values, **matrix.parameters, **own, **run.parameters, **winning}
        wanted.append(Wanted(catalog.find(run.runbook), told, source, run.name))
    if not wanted:
        raise ParameterError(
            "asks for no run", where=str(file.path), hint="list them under runs:, or give axes under cross:"
        )
    return _labelled(wanted)


def _product(cross: _Cross | None) -> Iterator[_Run]:
    if cross is None:
        return
    for runbook in cross.runbook:
        for chosen in itertools.product(*cross.parameters.values()):
            parameters = dict(zip(cross.parameters, chosen, strict=True))
            yield _Run(runbook=runbook, file=cross.file, parameters=parameters)


def _labelled(wanted: list[Wanted]) -> list[Wanted]:
    """Give a name to runs that have none: the runbook's, with the parameters by which it differs from others."""
    found = []
    for want in wanted:
        alike = [other for other in wanted if other.entry.name == want.entry.name]
        differing = [
            f"{name}={value}"
            for name, value in want.values.items()
            if any(other.values.get(name) != value for other in alike)
        ]
        label = want.label or " ".join([want.entry.name, *differing])
        found.append(Wanted(want.entry, want.values, want.source, label))
    return found
