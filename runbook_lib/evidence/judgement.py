"""Judge a notebook: the one place where its outcome is decided.

`runbook run`, `papermill --engine runbook`, the pytest plugin, the reports, the archive and the seal all ask here.
A run's own end-of-run line is believed only as far as nothing else contradicts it: a cell that raised after the run
was closed, a cell that never ran, a kernel that died, another run of the same notebook that failed. Whatever is found
can make the outcome worse, never better.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import NOTEBOOK
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.evidence.notebook_records import EmbeddedRecords
from runbook_lib.evidence.reader import read_journal
from runbook_lib.evidence.regular_file import read
from runbook_lib.model.status import Status, worst

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from runbook_lib.model.records import RunRecord


__all__ = [
    "EXECUTION",
    "SKIP",
    "Execution",
    "Judgement",
    "judge",
    "judge_run",
    "judged_record",
    "other_run",
    "skipped_cells",
    "with_judgement",
]

EXECUTION = "runbook_execution"
"""Key in the notebook's metadata under which the engine records how the execution ended."""

Ended = Literal["finished", "kernel died", "interrupted", "timed out", "failed", "unknown"]

SKIP = "skip-execution"
"""Tag of a cell that nbclient does not execute; a runbook must not have any."""
_CLEAN_EXITS = {"", "0", "None"}
_ENDS: dict[str, Status] = {
    "finished": Status.OK,
    "failed": Status.FAILED,
    "timed out": Status.FAILED,
    "interrupted": Status.INTERRUPTED,
}


@dataclass(frozen=True)
class Execution:
    """How the execution of a notebook ended, as the program that executed it saw it.

    Args:
        ended: `finished`: every cell was sent to the kernel and answered; otherwise what came in between.
        problem: The reason; empty if the execution finished.
    """

    ended: Ended
    problem: str = ""

    def as_metadata(self) -> dict[str, str]:
        """Return the JSON-ready form that is stored in the notebook's metadata."""
        return {"ended": self.ended, "problem": self.problem}

    @classmethod
    def of_notebook(cls, notebook: Notebook) -> Execution | None:
        """Return what the engine recorded; None where no engine of ours executed the notebook."""
        recorded = notebook.metadata.get(EXECUTION)
        if not isinstance(recorded, dict):
            return None
        words: tuple[Ended, ...] = get_args(Ended)
        known: Ended = next((word for word in words if word == recorded.get("ended")), "unknown")
        return cls(known, str(recorded.get("problem", "")))


@dataclass(frozen=True)
class Judgement:
    """The outcome of a notebook, or of a run made without one.

    Args:
        status: The deciding status of everything that was looked at.
        problems: Why it is worse than the runs' own records say, in sentences that stand alone.
        runs: The runs, as their journals record them.
    """

    status: Status
    problems: tuple[str, ...] = ()
    runs: tuple[RunRecord, ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit code that says so; 0 only for a proven good end."""
        return self.status.exit_code


def judge(
    runs: Sequence[RunRecord],
    notebook: Notebook | None = None,
    execution: Execution | None = None,
    *,
    broken: Sequence[str] = (),
) -> Judgement:
    """Return the outcome of a notebook and of all the runs in it.

    Args:
        runs: The runs that the notebook opened, in order, as their journals record them.
        notebook: The executed notebook; None for a run that a script made.
        execution: How its execution ended; None where no engine of ours executed it: then its cells were run by
            hand, in any order, and only the journals decide.
        broken: Runs that were opened and of which no journal can be read, or not the one that was written.
    """
    judgement = _judge([(run.run, run.status) for run in runs], notebook, execution, broken)
    return replace(judgement, runs=tuple(runs))


def _judge(
    runs: Sequence[tuple[str, Status]],
    notebook: Notebook | None,
    execution: Execution | None,
    broken: Sequence[str],
) -> Judgement:
    """Return the outcome of a notebook and of its runs, of which the ids and the statuses are known."""
    # 1. The runs themselves. A notebook that opened none has proved nothing.
    problems = [*broken]
    statuses = [status for _, status in runs] + [Status.UNKNOWN for _ in broken]
    if not statuses:
        statuses, problems = [Status.UNKNOWN], ["the notebook opened no run"]
    # A notebook whose cells a person ran may still show older runs: each has a journal of its own.
    if notebook is not None and execution is not None:
        execution = _of_others(execution, runs)
        # 2. Runs that only the notebook records: the run directory may contain another run.
        ours = {run for run, _ in runs}
        for other, status in _recorded_runs(notebook).items():
            if other not in ours:
                statuses.append(status)
                if not status.is_success:
                    problems.append(other_run(other, status))
        # 3. The cells: each ran, once, in order, and none raised.
        # 4. The end of the execution: the kernel was there until the last cell had been answered.
        # A run that did not succeed has its own status for what stopped the cells; the end explains it.
        unbroken = worst(statuses).exit_code in {0, Status.SKIPPED.exit_code}
        for status, problem in (*(_cells(notebook, execution) if unbroken else ()), *_end(execution)):
            statuses += [status] if unbroken else []
            problems += [problem] if unbroken or execution.problem else []
    return Judgement(worst(statuses), tuple(dict.fromkeys(problems)))


def judge_run(run: str, status: str, notebook: Notebook | None, *, broken: Sequence[str] = ()) -> Judgement:
    """Return the outcome of a run of which only the id and the status are known, without `runs`; see `judge`.

    For readers of many runs: making a record of one takes longer than everything the judge does.

    Args:
        run: Its id.
        status: According to its journal.
        notebook: The executed notebook, if there is one.
        broken: As for `judge`.
    """
    execution = Execution.of_notebook(notebook) if notebook else None
    return _judge([(run, _status(status))], notebook, execution, broken)


def judged_record(path: Path) -> RunRecord:
    """Return the record of a run directory as judged: by its journal and by the notebook next to it, if any.

    Args:
        path: The run directory, or its journal.

    Raises:
        EvidenceError: The journal is missing, or cannot be read at all.
    """
    record = read_journal(path)
    directory = path if path.is_dir() else path.parent
    broken = []
    if path.is_dir() and record.run != path.resolve().name:
        broken.append(f"the journal in {path.name} is of run {record.run}")
    notebook = None
    # A run that was made without a notebook, or by hand, has nothing but its journal.
    if os.path.lexists(directory / NOTEBOOK):
        try:
            notebook = Notebook.parse(read(directory / NOTEBOOK), NOTEBOOK)
        except EvidenceError as problem:
            broken.append(f"{NOTEBOOK} cannot be read: {problem}")
    return with_judgement(record, notebook, broken=broken)


def with_judgement(record: RunRecord, notebook: Notebook | None, *, broken: Sequence[str] = ()) -> RunRecord:
    """Return a run's record with the status and the message that the judge gives it.

    Args:
        record: As its journal, or the notebook itself, records it.
        notebook: The executed notebook, if there is one.
        broken: As for `judge`.
    """
    execution = Execution.of_notebook(notebook) if notebook else None
    judgement = judge([record], notebook, execution, broken=broken)
    if judgement.status is record.status:
        return record
    message = "; ".join(filter(None, (record.message, *judgement.problems)))
    return record.model_copy(update={"status": judgement.status, "message": message})


def other_run(run: str, status: Status) -> str:
    """Return the sentence that another run of a notebook did not succeed."""
    return f"run {run} of the same notebook is {status}"


def _of_others(execution: Execution, runs: Sequence[tuple[str, Status]]) -> Execution:
    """Return the end of an execution without what it says of these runs: to them, they are not other ones."""
    own = {other_run(*run) for run in runs}
    others = [sentence for sentence in execution.problem.split("; ") if sentence not in own]
    return replace(execution, problem="; ".join(others))


def skipped_cells(cells: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the positions, from 1, of code cells that nbclient would not execute because of their tag."""
    return [
        position
        for position, cell in enumerate(cells, start=1)
        if cell.get("cell_type") == "code" and SKIP in ((cell.get("metadata") or {}).get("tags") or [])
    ]


def _recorded_runs(notebook: Notebook) -> dict[str, Status]:
    """Return each run that a notebook's outputs record, with its last recorded status; without an end, `unknown`."""
    records = EmbeddedRecords.of(notebook)
    found = {str(start.get("run")): Status.UNKNOWN for start in records.starts}
    return found | {str(end.get("run")): _status(end.get("status")) for end in records.ends}


def _status(value: Any) -> Status:  # noqa: ANN401 - whatever the notebook holds
    try:
        return Status(value)
    except ValueError:
        return Status.UNKNOWN


def _cells(notebook: Notebook, execution: Execution) -> Iterator[tuple[Status, str]]:
    """Yield what is wrong with the cells of a notebook that was executed from its first cell to its last.

    If the execution did not finish, the cells after its end were not executed because of that: the reason decides,
    not the missing cells.
    """
    last, skipped = 0, skipped_cells(notebook.cells)
    for position, cell in enumerate(notebook.cells, start=1):
        if cell.get("cell_type") != "code" or not _text(cell.get("source")).strip():
            continue
        count = cell.get("execution_count")
        if position in skipped:
            yield Status.UNKNOWN, f"cell {position} is tagged {SKIP}: it was not executed"
        elif not isinstance(count, int) or isinstance(count, bool):
            if execution.ended == "finished":
                yield Status.UNKNOWN, f"cell {position} was not executed"
        elif count <= last:
            yield Status.UNKNOWN, f"cell {position} was not executed in order"
        else:
            last = count
        errors = [output for output in cell.get("outputs") or () if output.get("output_type") == "error"]
        for output in errors:
            yield from _raised(position, output, execution)
        if execution.ended == "finished" and not errors and _is_marked_as_raised(cell):
            yield Status.FAILED, f"cell {position} raised, and its output does not show what"


def _is_marked_as_raised(cell: dict[str, Any]) -> bool:
    """Return whether papermill noted that a cell raised, whatever its outputs show."""
    noted = (cell.get("metadata") or {}).get("papermill")
    return isinstance(noted, dict) and noted.get("exception") is True


def _raised(position: int, output: dict[str, Any], execution: Execution) -> Iterator[tuple[Status, str]]:
    name, value = str(output.get("ename")), str(output.get("evalue"))
    if name == "SystemExit" and value in _CLEAN_EXITS:
        return  # not an error: the cells after it were not executed, which is reported
    # A run that passes its run_timeout raises KeyboardInterrupt too; then no signal interrupted the execution.
    interrupted = name == "KeyboardInterrupt" and execution.ended != "failed"
    status = Status.INTERRUPTED if interrupted else Status.FAILED
    yield status, f"cell {position} raised {name}" + (f": {value.splitlines()[0]}" if value.strip() else "")


def _end(execution: Execution) -> Iterator[tuple[Status, str]]:
    status = _ENDS.get(execution.ended, Status.UNKNOWN)
    if status is not Status.OK:
        yield status, execution.problem or f"the execution of the notebook ended as {execution.ended!r}"


def _text(source: Any) -> str:  # noqa: ANN401 - nbformat allows text or a list of lines
    return source if isinstance(source, str) else "".join(source or ())
