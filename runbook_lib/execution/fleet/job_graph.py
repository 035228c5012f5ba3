"""From a request to jobs: each checked, ordered by what its runbook needs, with what must not run in parallel."""

from __future__ import annotations

import functools
import itertools
from dataclasses import asdict, dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from runbook_lib.connections.registry import connection_class
from runbook_lib.errors import InputError
from runbook_lib.execution import catalog
from runbook_lib.execution.fleet.job import Job, JobSpec
from runbook_lib.execution.fleet.request import RunRequest, job_specs
from runbook_lib.execution.input_checks import check_input
from runbook_lib.model.status import Mode
from runbook_lib.project import project_top
from runbook_lib.runbook.notebook.checked_input import CheckedInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from runbook_lib.execution.catalog import CatalogEntry

__all__ = ["JobGraph", "plan_run"]


@dataclass(frozen=True)
class JobGraph:
    """Jobs, and what comes after what.

    Args:
        jobs: In the order in which they start if nothing else decides.
        after: For each job's id, the ids of the jobs that must have succeeded before.
        missing_needs: Runbooks that are needed and have no job here, each with the runbooks that need it; a job in
            mode `validate` needs none.
    """

    jobs: tuple[Job, ...]
    after: Mapping[str, tuple[str, ...]]
    missing_needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def connections(self) -> set[str]:
        """The kinds of connection to the hosts of all jobs."""
        return {kind for job in self.jobs for kind in job.connections}

    @functools.cached_property
    def has_parallel_jobs(self) -> bool:
        """Whether any two jobs may ever run at the same time."""
        by_id = {job.id: job for job in self.jobs}
        before: dict[str, set[str]] = {}
        for name in TopologicalSorter(self.after).static_order():
            before[name] = set(self.after[name]).union(*(before[other] for other in self.after[name]))
        return any(
            first not in before[second]
            and second not in before[first]
            and not by_id[first].excludes(by_id[second])
            for first, second in itertools.combinations(by_id, 2)
        )

    def in_fleet(self, directory: Path) -> JobGraph:
        """Return the same graph with jobs that belong to a fleet, under ids that are unique worldwide.

        Args:
            directory: The fleet's directory; its name is the fleet's id.
        """

        def full(number: str) -> str:
            return f"{directory.name}/{number}"

        fleet = str(directory.absolute())
        jobs = tuple(replace(job, id=full(job.id), fleet=fleet) for job in self.jobs)
        after = {full(name): tuple(map(full, others)) for name, others in self.after.items()}
        return replace(self, jobs=jobs, after=after)

    def without_needs(self) -> JobGraph:
        """Return the same jobs, none of which waits for another: for runs that change nothing."""
        return replace(self, after={job.id: () for job in self.jobs})


def plan_run(request: RunRequest) -> JobGraph:
    """Check all that a request names, and return its jobs in the order of their needs.

    A job comes after the jobs of the runbooks that its own needs on any of the same hosts; also if a runbook in
    between has no job here.

    Raises:
        InputError: A runbook, file, parameter or key is wrong, or runbooks need each other. No host was touched.
    """
    if request.sign_key:
        from runbook_lib import attestation  # noqa: PLC0415 - slow to load; only for signed runs

        attestation.signers(request.sign_key)
    specs = job_specs(request)
    jobs = tuple(_job(number, spec, only=len(specs) == 1) for number, spec in enumerate(specs, start=1))
    runbook = {job.id: spec.entry.name for job, spec in zip(jobs, specs, strict=True)}
    needs = _all_needs([spec.entry for spec in specs])
    after = {
        job.id: tuple(
            other.id
            for other in jobs
            if runbook[other.id] in needs[runbook[job.id]] and not set(other.hosts).isdisjoint(job.hosts)
        )
        for job in jobs
    }
    return JobGraph(jobs, after, _missing_needs([spec.entry for spec in specs if not _only_checks(spec)]))


def _job(number: int, spec: JobSpec, *, only: bool) -> Job:
    parameters, hosts = check_input(spec.entry, spec.values, spec.source, listed_in=spec.listed_in)
    # Loading the SSH library takes 0.1 s, and a single job excludes no other.
    machines = set() if only else {connection_class(host.connection).machine(host) for host in hosts}
    return Job(
        id=str(number),
        label=spec.label or spec.entry.name,
        runbook=spec.entry.model.runbook,
        notebook=str(spec.entry.path.absolute()),
        values=spec.values,
        runs=parameters.runs,
        hosts=[host.name for host in hosts],
        machines=sorted(machines),
        connections=sorted({host.connection for host in hosts}),
        changes=parameters.run_mode is Mode.APPLY,
        project=str(project_top()),
        checked=asdict(CheckedInput.of(parameters, hosts)),
    )


def _only_checks(spec: JobSpec) -> bool:
    """Return whether a job changes nothing and checks what is: then it needs no other job to have run."""
    default = spec.entry.model.model_fields["mode"].default
    mode = {"mode": default, **spec.entry.defaults, **spec.values}["mode"]
    return bool(mode == Mode.VALIDATE.value)


def _missing_needs(entries: Sequence[CatalogEntry]) -> dict[str, tuple[str, ...]]:
    named = {entry.name for entry in entries}
    missing: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        for need in entry.needs:
            if need not in named:
                missing[need] = (*missing.get(need, ()), entry.name)
    return missing


def _all_needs(entries: Sequence[CatalogEntry]) -> dict[str, set[str]]:
    """Return, for each runbook, all that it needs, also through other runbooks on disk.

    Raises:
        InputError: Runbooks need each other, or one that does not exist.
    """
    direct = {entry.name: entry.needs for entry in entries}
    todo = [(need, entry.path) for entry in entries for need in entry.needs]
    while todo:
        name, needing = todo.pop()
        if name not in direct:
            entry = catalog.find_needed(name, needing)
            direct[name] = entry.needs
            todo += [(need, entry.path) for need in entry.needs]
    found: dict[str, set[str]] = {}
    try:
        for name in TopologicalSorter(direct).static_order():
            found[name] = set(direct[name]).union(*(found[need] for need in direct[name]))
    except CycleError as circle:
        raise InputError(
            f"runbooks need each other: {' → '.join(circle.args[1])}",
            hint="remove the cycle from `needs` in their metadata",
        ) from circle
    return found
