"""Read runs from executed notebooks: the records that their outputs embed, and the run's record made of them.

This is the only place that takes records out of a notebook: reports, verification and the archive all use it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import RUN_MIME, STEP_MIME
from runbook_lib.evidence.schema_version import why_not_understood
from runbook_lib.evidence.uninterpretable import in_one_line
from runbook_lib.model.records import RunRecord, StepRecord
from runbook_lib.model.status import Status, worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runbook_lib.evidence.notebook import Notebook

__all__ = ["NO_NOTEBOOK_END", "EmbeddedRecords", "Outcome", "outcome", "record_of_notebook"]

Data = dict[str, Any]
NO_NOTEBOOK_END = "the notebook has no end-of-run record"
"""What is missing from the notebook of a run that is still running, or whose kernel was killed."""
_MOST_GAPS = 10  # missing steps that a message names


@dataclass(frozen=True)
class EmbeddedRecords:
    """The records of runs that a notebook's outputs embed, in the order of its cells.

    Args:
        starts: One for each time a run was opened.
        steps: One for each step that was carried out.
        ends: One for each run that was closed.
    """

    starts: list[Data]
    steps: list[Data]
    ends: list[Data]

    @classmethod
    def of(cls, notebook: Notebook) -> EmbeddedRecords:
        """Take the records out of a notebook's outputs.

        Raises:
            EvidenceError: An output is not one of a notebook, or a record is not a mapping.
        """
        starts: list[Data] = []
        steps: list[Data] = []
        ends: list[Data] = []
        for bundle in notebook.bundles():
            if STEP_MIME in bundle:
                steps.append(_mapping(bundle[STEP_MIME], notebook.name))
            if RUN_MIME in bundle:
                record = _mapping(bundle[RUN_MIME], notebook.name)
                (starts if record.get("event") == "opened" else ends).append(record)
        return cls(starts, steps, ends)

    def of_run(self, run: str) -> EmbeddedRecords:
        """Return the records that belong to one run.

        A notebook that was opened again by hand still shows older runs. The first versions did not write into a
        step's record which run it belongs to: such a step counts.
        """
        return EmbeddedRecords(
            [record for record in self.starts if record.get("run") == run],
            [record for record in self.steps if record.get("run", run) == run],
            [record for record in self.ends if record.get("run") == run],
        )


class Outcome(NamedTuple):
    """How a run ended, as far as a notebook proves it.

    Args:
        status: `unknown` if anything is missing.
        ended: As the record of the end has it; None if anything is missing.
        incomplete: What is missing; empty if nothing is.
    """

    status: Any
    ended: Any
    incomplete: str


def outcome(numbers: Sequence[int], ends: Sequence[Data], statuses: Iterable[Status]) -> Outcome:
    """Return how a run ended; its end is believed only if no step is missing and the end fits the steps.

    Args:
        numbers: The numbers of the steps that the notebook has records of.
        ends: The records of the run's end.
        statuses: The statuses of these steps; consumed only if nothing is missing.

    Raises:
        ValueError: The status at the end is not one.
    """
    incomplete = _missing(numbers, ends)
    if not incomplete:
        end = ends[-1]
        status = Status(str(end.get("status")))
        if not status.is_success or worst([*statuses]) is status:
            return Outcome(status, end.get("ended"), "")
        incomplete = "the end of the run does not fit its steps"
    return Outcome(Status.UNKNOWN, None, incomplete)


def _missing(numbers: Sequence[int], ends: Sequence[Data]) -> str:
    known = set(numbers)
    # A forged number may be anything: no more gaps are looked for than are named.
    gaps = (number for number in range(1, max(numbers, default=0) + 1) if number not in known)
    names = ", ".join(map(str, itertools.islice(gaps, _MOST_GAPS)))
    if names:
        return f"the notebook has no record of step {names}: perhaps its cell was run again or emptied"
    if len(numbers) != len(known):
        return "the notebook has more than one record of a step"
    if not ends:
        return NO_NOTEBOOK_END
    counted = ends[-1].get("steps", len(numbers))
    if counted != len(numbers):
        return f"the run had {counted} steps, the notebook has records of {len(numbers)}"
    return ""


def record_of_notebook(notebook: Notebook) -> RunRecord:
    """Return the record of the newest run that an executed notebook embeds.

    Raises:
        EvidenceError: No run can be read from it.
    """
    embedded = EmbeddedRecords.of(notebook)
    if not embedded.starts:
        raise EvidenceError(
            "contains no record of a run",
            where=notebook.name,
            hint="name an executed notebook: one whose cells have run and were saved with their outputs",
        )
    try:
        # Opened again by hand: only the newest run counts, and what older cells still show does not belong to it.
        start = max((_run(record) for record in embedded.starts), key=lambda run: run.started)
        steps = sorted(
            (step for step in map(_step, embedded.steps) if step.started >= start.started),
            key=lambda step: step.number,
        )
    except ValidationError as problem:
        raise EvidenceError(
            f"contains a record that cannot be interpreted: {in_one_line(problem)}", where=notebook.name
        ) from problem
    ends = [record for record in embedded.ends if record.get("run") == start.run]
    try:
        end = outcome([step.number for step in steps], ends, (step.status for step in steps))
        newer = why_not_understood(start.schema_version)
        if newer:
            end = Outcome(Status.UNKNOWN, None, newer)
        return RunRecord.model_validate({**start.model_dump(), **end._asdict(), "steps": steps})
    except ValueError as problem:
        raise EvidenceError(
            f"contains an end of the run that cannot be interpreted: {in_one_line(problem)}",
            where=notebook.name,
        ) from problem


def _mapping(data: Any, name: str) -> Data:  # noqa: ANN401 - whatever the file contains
    if not isinstance(data, dict):
        raise EvidenceError("contains a record that is not a mapping", where=name)
    return data


def _run(data: Data) -> RunRecord:
    return RunRecord.model_validate({key: data[key] for key in data.keys() & RunRecord.model_fields.keys()})


def _step(data: Data) -> StepRecord:
    return StepRecord.model_validate({key: data[key] for key in data.keys() & StepRecord.model_fields.keys()})
