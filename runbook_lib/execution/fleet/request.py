"""What a user asked `runbook run` for, as runs to be made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import InputError, ParameterError
from runbook_lib.evidence.lookup import find_run
from runbook_lib.evidence.notebook_records import read_run
from runbook_lib.execution import catalog
from runbook_lib.execution.fleet import matrix as matrices
from runbook_lib.execution.fleet import resume_check
from runbook_lib.execution.fleet.job_graph import Wanted
from runbook_lib.project import project_top
from runbook_lib.runbook.resume import contradictions, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["for_runs"]


def for_runs(  # noqa: PLR0913 - all that can be said
    names: Sequence[str],
    file: str | None,
    pairs: Sequence[tuple[str, str]],
    options: Mapping[str, Any],
    *,
    extra: Mapping[str, Mapping[str, Any]] | None = None,
    matrix: str | None = None,
    resume: str | None = None,
    with_needs: bool = False,
) -> list[Wanted]:
    """Return the runs to be made, each with its parameters, not yet checked.

    Args:
        names: Runbooks.
        file: Parameters file for all of them, or None.
        pairs: Single parameters for all of them; they win over the file's.
        options: Single parameters for all of them; they win over all.
        extra: Parameters by runbook; all others win over them.
        matrix: A file with more runs.
        resume: The run that its runbook goes on with.
        with_needs: Add what the runbooks need.

    Raises:
        InputError: Something of it does not exist, is malformed or contradicts itself.
    """
    values, source = catalog.given(file, ())
    single, _ = catalog.given(None, pairs)
    winning = {**single, **options}
    if matrix:
        return matrices.read(matrix, values, winning)
    given = {**values, **winning}
    entries = [catalog.find(name) for name in names]
    wanted = [Wanted(entry, {**(extra or {}).get(entry.name, {}), **given}, source) for entry in entries]
    if with_needs:
        wanted = [*_needed(wanted, given), *wanted]
    return _resuming(wanted, resume, given) if resume else wanted


def _needed(wanted: Sequence[Wanted], given: Mapping[str, Any]) -> list[Wanted]:
    """Return what is needed beside what is wanted, with those of the parameters that it knows."""
    named = {want.entry.name for want in wanted}
    found: dict[str, Wanted] = {}
    todo = [need for want in wanted for need in want.entry.needs]
    while todo:
        name = todo.pop(0)
        if name in named or name in found:
            continue
        entry = catalog.find(name)
        known = {key: value for key, value in given.items() if key in entry.model.model_fields}
        found[name] = Wanted(entry, known)
        todo += entry.needs
    return list(found.values())


def _resuming(wanted: list[Wanted], name: str, given: Mapping[str, Any]) -> list[Wanted]:
    """Give the run of the earlier run's runbook that one's parameters, and refuse it where it must not go on."""
    path = find_run(name, project_top() / str(given.get("runs", "runs"))).absolute()
    record = read_run(path)
    if not wanted:
        wanted = [Wanted(catalog.find(record.runbook), dict(given))]
    mine = [number for number, want in enumerate(wanted) if want.entry.model.runbook == record.runbook]
    if not mine:
        raise InputError(
            f"is a run of {record.runbook}, which is not among the runbooks to run",
            where=record.run,
            hint=f"name {record.runbook}, or no runbook at all",
        )
    want = wanted[mine[0]]
    wrong = contradictions(record, want.values)
    if wrong:
        raise ParameterError(
            f"other parameters than in the run to go on with: {'; '.join(wrong)}",
            where=record.run,
            hint="leave them away, or run it anew without --resume",
        )
    own = {key: value for key, value in record.parameters.items() if key not in {"resume", "take_over"}}
    values = {**own, **want.values, "resume": str(path)}
    parameters = catalog.check(want.entry, values, want.source)
    load(path, parameters, catalog.hosts_of(parameters))
    resume_check.refuse_changed(want.entry.path, path)
    wanted[mine[0]] = replace(want, values=values)
    return wanted
