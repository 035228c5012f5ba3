"""How far learners are: the tasks of the lessons, and whether the evidence shows them solved."""

from __future__ import annotations

import ast
import logging
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import pandas as pd

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.evidence.reader import read_journal
from runbook_lib.execution.step_calls import step_calls
from runbook_lib.learning.workspace import Workspace
from runbook_lib.operations.task import SOLVED
from runbook_lib.project import usable_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from runbook_lib.evidence.notebook import Notebook
    from runbook_lib.model.records import RunRecord

__all__ = ["COLUMNS", "TaskProgress", "progress", "read_progress", "task_titles"]

_log = logging.getLogger(__name__)

COLUMNS = ("learner", "lesson", "task", "state", "tries", "hosts", "solved")
"""Columns of the table of progress."""


@dataclass
class TaskProgress:
    """One task of one learner, as far as the evidence shows it.

    Args:
        learner: Who ran the lesson, and on which machine; with the directory of the runs where that is ambiguous.
        lesson: The notebook.
        task: The task's title.
        tries: How often it was checked, up to the first solution.
        hosts: The hosts that were checked last.
        solved: When it was solved on all hosts for the first time; None: not yet.
    """

    learner: str
    lesson: str
    task: str
    tries: int = 0
    hosts: str = ""
    solved: datetime | None = None

    @property
    def state(self) -> str:
        """Whether it is solved, in words."""
        return "solved" if self.solved else "not yet"


def read_progress(*places: str | Path) -> list[TaskProgress]:
    """Return all tasks that were tried, by learner and lesson.

    Args:
        places: Directories with run directories, one per learner for example. Default: the learner's own.

    Returns:
        Learners of the same name whose runs are in different directories are distinguished by the directory, since the
        machines of a class are often copies of one machine.

    Raises:
        InputError: A place cannot be looked at.
    """
    found = dict.fromkeys(usable_path(place) for place in places or (Workspace.locate().runs,))
    by_place = {place: _tasks(_records(place)) for place in found}
    names = Counter(name for tasks in by_place.values() for name in {task.learner for task in tasks})
    for place, tasks in by_place.items():
        for task in tasks:
            if names[task.learner] > 1:
                task.learner = f"{task.learner} ({place})"
    return sorted(chain.from_iterable(by_place.values()), key=lambda task: (task.learner, task.lesson))


def progress(*places: str | Path) -> pd.DataFrame:
    """Return a table of all tasks that were tried, from the evidence of the learners' runs.

    Args:
        places: As for `read_progress`.

    Returns:
        The columns are `COLUMNS`: `state` is `solved` or `not yet`, `solved` is a time in UTC, to the second.
    """
    rows = [[getattr(task, column) for column in COLUMNS] for task in read_progress(*places)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = table.astype({"tries": "int64", "solved": "datetime64[us, UTC]"})
    return table.assign(solved=table["solved"].dt.floor("s"))


def task_titles(notebook: Notebook) -> list[str]:
    """Return the titles of a notebook's tasks, as far as its source shows them.

    Args:
        notebook: The notebook.
    """
    titles = [call.title for call in step_calls(notebook.sources(), {"task"})]
    return [str(title.value) for title in titles if isinstance(title, ast.Constant)]


def _records(runs: Path) -> list[RunRecord]:
    """Return the records of a directory's runs, oldest first; what cannot be read is left out, and logged."""
    records = []
    for file in runs.glob(f"*/{JOURNAL}"):
        try:
            records.append(read_journal(file.parent))
        except EvidenceError as problem:
            _log.warning("%s: left out: %s", file.parent, problem.message)
    return sorted(records, key=lambda record: record.started)  # names do not order the runs of one second


def _tasks(records: Iterable[RunRecord]) -> list[TaskProgress]:
    """Return the tasks that some runs tried, in the order of their first try."""
    tasks: dict[tuple[str, str, str], TaskProgress] = {}
    for record in records:
        _add(record, tasks)
    return list(tasks.values())


def _add(record: RunRecord, tasks: dict[tuple[str, str, str], TaskProgress]) -> None:
    learner = f"{record.operator} on {record.machine}"
    for step in record.steps:
        checks = [check for host in step.hosts for check in host.checks if check.id == SOLVED]
        if not checks:
            continue
        task = tasks.setdefault(
            (learner, record.runbook, step.title), TaskProgress(learner, record.runbook, step.title)
        )
        if task.solved:
            continue
        task.tries += 1
        task.hosts = ", ".join(host.host for host in step.hosts)
        if len(checks) == len(step.hosts) and all(check.holds for check in checks):
            task.solved = step.ended
