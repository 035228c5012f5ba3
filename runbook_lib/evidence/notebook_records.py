"""Find runs and read their records: from a journal, or from an executed notebook alone."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from runbook_lib.errors import EvidenceError, InputError
from runbook_lib.evidence.layout import RUN_MIME, STEP_MIME
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.records import RunRecord, StepRecord
from runbook_lib.model.status import Status, worst

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["missing_records", "read_notebook", "read_run"]

Data = dict[str, Any]
_GAPS_TOLD = 10


def read_run(path: Path) -> RunRecord:
    """Return the record of a run.

    Args:
        path: A run directory, a `journal.jsonl`, or an executed notebook.

    Returns:
        Status `unknown`, with `incomplete` saying why, where the end of the run was not recorded.

    Raises:
        InputError: There is nothing at `path`.
        EvidenceError: There is, but no run can be read from it.
    """
    if not path.exists():
        raise InputError(
            "there is no such run", where=str(path), hint="name a run directory, a journal or a notebook"
        )
    if path.suffix == ".ipynb":
        return read_notebook(_content(path), path)
    return read_journal(path)


@dataclass(frozen=True)
class _Told:
    """What a notebook's outputs tell, in the order of its cells."""

    opened: list[Data]
    steps: list[Data]
    ended: list[Data]


def read_notebook(content: bytes, path: Path) -> RunRecord:
    """Return the record of a run that an executed notebook holds.

    Args:
        content: The notebook.
        path: Where it lies, for the messages.

    Raises:
        EvidenceError: No run can be read from it.
    """
    told = _told(content, path)
    if not told.opened:
        raise EvidenceError(
            "holds no record of a run",
            where=str(path),
            hint="name an executed notebook: one whose cells have run and were saved with their outputs",
        )
    try:
        # Opened again by hand: only the newest run counts, and what older cells still show is not its own.
        opened = max(
            (_run(data) for data in told.opened),
            key=lambda run: run.started,
        )
        steps = sorted(
            (step for step in map(_step, told.steps) if step.started >= opened.started),
            key=lambda step: step.number,
        )
    except ValidationError as problem:
        raise EvidenceError(
            f"holds a record that cannot be understood: {problem}", where=str(path)
        ) from problem
    ended = [data for data in told.ended if data.get("run") == opened.run]
    return _whole(opened, steps, ended, path)


def _whole(opened: RunRecord, steps: list[StepRecord], ended: list[Data], path: Path) -> RunRecord:
    """Put a run together; its status is only believed where nothing is missing."""
    incomplete = missing_records([step.number for step in steps], ended)
    told: Data = {"status": Status.UNKNOWN, "ended": None}
    if not incomplete:
        told = {"status": ended[-1].get("status"), "ended": ended[-1].get("ended")}
    try:
        run = opened.model_dump() | told | {"incomplete": incomplete}
        record = RunRecord.model_validate({**run, "steps": steps})
    except ValidationError as problem:
        raise EvidenceError(
            f"holds an end that cannot be understood: {problem}", where=str(path)
        ) from problem
    if (
        not incomplete
        and record.status.is_success
        and worst([step.status for step in steps]) is not record.status
    ):
        why = "the end of the run does not fit its steps"
        return record.model_copy(update={"status": Status.UNKNOWN, "ended": None, "incomplete": why})
    return record


def missing_records(numbers: list[int], ended: list[Data]) -> str:
    """Return what a notebook's record of a run lacks, in words; empty when it is whole.

    Args:
        numbers: Of its steps.
        ended: What it tells of the run's end.
    """
    there = set(numbers)
    # A forged number may be anything: no more gaps are looked for than are told.
    gaps = (number for number in range(1, max(numbers, default=0) + 1) if number not in there)
    names = ", ".join(map(str, itertools.islice(gaps, _GAPS_TOLD)))
    if names:
        return f"the notebook has no record of step {names}: perhaps its cell was run again or emptied"
    if len(numbers) != len(set(numbers)):
        return "the notebook has more than one record of a step"
    if not ended:
        return "the notebook has no end-of-run record"
    counted = ended[-1].get("steps", len(numbers))
    if counted != len(numbers):
        return f"the run had {counted} steps, the notebook tells {len(numbers)}"
    return ""


def _told(content: bytes, path: Path) -> _Told:
    told = _Told([], [], [])
    for bundle in _bundles(content, path):
        if STEP_MIME in bundle:
            told.steps.append(_mapping(bundle[STEP_MIME], path))
        if RUN_MIME in bundle:
            data = _mapping(bundle[RUN_MIME], path)
            (told.opened if data.get("event") == "opened" else told.ended).append(data)
    return told


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise EvidenceError(f"cannot be read: {problem.strerror}", where=str(path)) from problem


def _bundles(content: bytes, path: Path) -> Iterator[Data]:
    """Yield the MIME bundles of a notebook's outputs, in the order of its cells.

    The file is read as the JSON that it is: nbformat would convert it, and takes a second to import.
    """
    try:
        notebook = json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise EvidenceError("is no notebook: it is cut off, or something else", where=str(path)) from problem
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise EvidenceError("is no notebook of format 4", where=str(path))
    for cell in notebook["cells"]:
        for output in _mapping(cell, path).get("outputs", []):
            yield _mapping(_mapping(output, path).get("data", {}), path)


def _mapping(data: Any, path: Path) -> Data:  # noqa: ANN401 - whatever the file holds
    if not isinstance(data, dict):
        raise EvidenceError("holds something that no notebook of ours holds", where=str(path))
    return data


def _run(data: Data) -> RunRecord:
    known = {key: value for key, value in data.items() if key in RunRecord.model_fields}
    return RunRecord.model_validate(known)


def _step(data: Data) -> StepRecord:
    known = {key: value for key, value in data.items() if key in StepRecord.model_fields}
    return StepRecord.model_validate(known)
