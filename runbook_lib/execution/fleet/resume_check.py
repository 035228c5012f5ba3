"""Before a run is resumed: its parameters are taken over, and what contradicts it is refused."""

from __future__ import annotations

import ast
import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runbook_lib.attestation.envelope import check, open_envelope
from runbook_lib.attestation.trust import Trust
from runbook_lib.errors import EvidenceError, InputError, ParameterError
from runbook_lib.evidence.layout import ATTESTATION, NOTEBOOK
from runbook_lib.evidence.lookup import find_run, read_run
from runbook_lib.execution import catalog
from runbook_lib.execution.cell_python import cell_tree, is_another_language
from runbook_lib.execution.fleet.job import JobSpec
from runbook_lib.execution.input_checks import check_input
from runbook_lib.execution.step_calls import STEP_METHODS
from runbook_lib.project import expanded, project_top
from runbook_lib.runbook.steps.resume import OF_ONE_RUN, changed_parameters, load_earlier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from runbook_lib.execution.catalog import CatalogEntry

__all__ = ["refuse_changed", "resuming"]


def resuming(
    specs: Sequence[JobSpec],
    name: str,
    given: Mapping[str, Any],
    overrides: Callable[[CatalogEntry], Mapping[str, Any]] = lambda _: {},
) -> list[JobSpec]:
    """Give the job of an earlier run's runbook that run's parameters.

    Args:
        specs: The jobs; none: the earlier run's runbook alone.
        name: The earlier run: id, id prefix, path, or `last`.
        given: Parameters that all jobs were given.
        overrides: Returns those of one runbook, where they differ: text is text where its parameter is text.

    Raises:
        InputError: The run does not exist, belongs to another runbook, or must not be resumed.
        ParameterError: A job's parameter differs from the earlier run's.
    """
    path = find_run(name, project_top() / expanded(str(given.get("runs", "runs")))).absolute()
    record = read_run(path)
    _refuse_invalid_signatures(path)
    jobs = list(specs)
    if not jobs:
        entry = catalog.find(record.runbook)
        jobs = [JobSpec(entry, {**given, **overrides(entry)})]
    matching = [number for number, spec in enumerate(jobs) if spec.entry.model.runbook == record.runbook]
    if not matching:
        raise InputError(
            f"a run of {record.runbook}, which is not among the runbooks to run",
            where=record.run,
            hint=f"name {record.runbook}, or no runbook at all",
        )
    spec = jobs[matching[0]]
    differing = changed_parameters(record, spec.values)
    if differing:
        raise ParameterError(
            f"parameters differ from the run to resume: {'; '.join(differing)}",
            where=record.run,
            hint="omit them, or start a new run without --resume",
        )
    own = {key: value for key, value in record.parameters.items() if key not in OF_ONE_RUN}
    values = {**own, **spec.values, "resume": str(path)}
    parameters, hosts = check_input(spec.entry, values, spec.source)
    load_earlier(path, parameters, hosts)
    refuse_changed(spec.entry.path, path)
    jobs[matching[0]] = replace(spec, values=values)
    return jobs


def _refuse_invalid_signatures(path: Path) -> None:
    """Refuse a run whose seal has a signature that does not fit; a run without a seal has none.

    Raises:
        InputError: The seal cannot be read, or has an invalid signature.
    """
    if not (path / ATTESTATION).exists():
        return
    try:
        signatures = check(open_envelope(path)[0], Trust.of_project())
        problem = next(
            (
                f"the signature by key {one.key_id[:12]}… is invalid"
                for one in signatures
                if one.valid is False
            ),
            "",
        )
    except EvidenceError as unreadable:
        problem = unreadable.message
    if problem:
        raise InputError(
            f"cannot be resumed: the run's evidence was altered: {ATTESTATION}: {problem}",
            where=path.name,
            hint="`runbook audit verify` gives details; start a new run without --resume",
        )


def refuse_changed(notebook: Path, run: Path) -> None:
    """Refuse a runbook whose steps differ from those in the notebook that an earlier run executed.

    Titles may be made from parameters, so their source text is compared. If the earlier run left no readable
    notebook, the titles are compared step by step while the new run is running.

    Args:
        notebook: The runbook as it is now.
        run: The earlier run's directory.

    Raises:
        InputError: With the first step that differs.
    """
    was, now = _step_titles(run / NOTEBOOK), _step_titles(notebook)
    if was is None or now is None:
        return
    for number, (before, after) in enumerate(itertools.zip_longest(was, now), start=1):
        if before != after:
            raise InputError(
                f"the runbook has changed: in its source, step {number} was {before or 'absent'} and is now "
                f"{after or 'absent'}",
                where=str(notebook),
                hint="start a new run without --resume; steps already in the desired state report ok",
            )


def _step_titles(path: Path) -> list[str] | None:
    """Return the titles of a notebook's steps as its source has them; None if it cannot be read."""
    try:
        cells = json.loads(path.read_bytes())["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        trees = [cell_tree(source) for source in sources if not is_another_language(source)]
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, RecursionError):
        return None
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        ast.unparse(call.args[0])
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in STEP_METHODS
        and call.args
        and isinstance(call.args[0], ast.Constant | ast.JoinedStr)
    ]
