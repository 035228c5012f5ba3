"""What a user asks to run, and the jobs that this names."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from runbook_lib.errors import ParameterError
from runbook_lib.execution import catalog
from runbook_lib.execution.fleet.job import JobSpec
from runbook_lib.execution.given_words import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runbook_lib.execution.catalog import CatalogEntry
    from runbook_lib.yaml_files import YamlFile

__all__ = ["OnFailure", "RunRequest", "job_specs"]

OnFailure = Literal["stop", "continue"]
"""After a job that did not succeed: start no other, or continue with those that do not need it."""


@dataclass(frozen=True)
class RunRequest:
    """What a user asks for, as given on a command line; `plan_run` checks it.

    Args:
        names: Runbooks, by name or path.
        files: Parameters files: none, one for all runbooks, or one for each in their order.
        pairs: Parameters for all runbooks, as YAML text; they override the files.
        options: Parameters for all runbooks; they override everything else.
        defaults: Parameters by runbook; everything else overrides them.
        matrix: A file that lists runs, in place of `names`.
        resume: The run that the job of its runbook resumes: id, id prefix, path, or `last`.
        with_needs: Also run the runbooks that these need.
        sign_key: The key that signs each run's seal: a file or a secret reference; None: seals are unsigned.
        executor: Processes on this machine, or a Dask cluster.
        scheduler: Address of the Dask scheduler; None: start a local cluster.
        jobs: Most jobs at the same time.
        on_failure: What happens to the other jobs after one that did not succeed.
    """

    names: Sequence[str] = ()
    files: Sequence[str] = ()
    pairs: Sequence[tuple[str, str]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    matrix: str | None = None
    resume: str | None = None
    with_needs: bool = False
    sign_key: str | None = None
    executor: Literal["local", "dask"] = "local"
    scheduler: str | None = None
    jobs: int = 1
    on_failure: OnFailure = "stop"

    def overrides(self, entry: CatalogEntry) -> dict[str, Any]:
        """Return what overrides a runbook's files: pairs, as text where its parameter is text, and options."""
        pairs, _ = catalog.read_parameters(None, self.pairs)
        return {**pairs, **words(entry, self.pairs), **self.options}

    def file_of_each(self) -> list[str | None]:
        """Return each runbook's parameters file.

        Raises:
            ParameterError: There is neither one file for all runbooks nor one for each.
        """
        files: list[str | None] = [*self.files]
        if len(files) in {0, 1}:
            return (files or [None]) * len(self.names)
        if len(files) != len(self.names):
            raise ParameterError(
                f"{len(files)} parameters files for {len(self.names)} runbooks",
                hint="name one file for all runbooks, or one for each in their order",
            )
        return files


def job_specs(request: RunRequest) -> list[JobSpec]:
    """Return the jobs that a request names, with their parameters not yet checked.

    Raises:
        InputError: A runbook or file does not exist or is malformed, or the request contradicts itself.
    """
    read = functools.cache(catalog.read_parameters)  # one file is often for many runbooks
    shared, _ = read(request.files[0] if len(request.files) == 1 else None, ())
    if request.matrix:
        from runbook_lib.execution.fleet import matrix  # noqa: PLC0415 - few runs need it

        return matrix.read(request.matrix, shared, request.overrides)
    specs = [
        _spec(name, read(file, ()), request)
        for name, file in zip(request.names, request.file_of_each(), strict=True)
    ]
    if request.with_needs:
        specs = [*_needed(specs, shared, request), *specs]
    if request.resume:
        from runbook_lib.execution.fleet import resume_check  # noqa: PLC0415 - slow to load: cryptography

        pairs, _ = catalog.read_parameters(None, request.pairs)
        return resume_check.resuming(
            specs, request.resume, {**shared, **pairs, **request.options}, request.overrides
        )
    return specs


def _spec(name: str, given: tuple[dict[str, Any], YamlFile | None], request: RunRequest) -> JobSpec:
    entry = catalog.find(name, typed=True)
    values, source = given
    return JobSpec(
        entry, {**request.defaults.get(entry.name, {}), **values, **request.overrides(entry)}, source
    )


def _needed(specs: Sequence[JobSpec], shared: Mapping[str, Any], request: RunRequest) -> list[JobSpec]:
    """Return the runbooks that are needed but not named, each with the given parameters that it knows."""
    named = {spec.entry.name for spec in specs}
    found: dict[str, JobSpec] = {}
    todo = [(need, spec.entry.path) for spec in specs for need in spec.entry.needs]
    while todo:
        name, needing = todo.pop(0)
        if name in named or name in found:
            continue
        entry = catalog.find_needed(name, needing)
        given = {**shared, **request.overrides(entry)}
        known = {key: value for key, value in given.items() if key in entry.model.model_fields}
        found[name] = JobSpec(entry, known)
        todo += [(need, entry.path) for need in entry.needs]
    return list(found.values())
