"""How far learners are, from the evidence of their runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from runbook_lib import Runbook, progress, read_run
from runbook_lib.cli.main import cli
from runbook_lib.execution import catalog
from runbook_lib.learning.progress import COLUMNS, task_titles
from runbook_lib.report.data_frames import tables
from tests.runbook.practice import Holds, parameters

TOP = Path(__file__).parents[2]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs of a learner: the first task is solved in the second run, the other one is not."""
    for _ in range(2):
        book = Runbook.open(parameters(tmp_path))
        book.task("Make the file", check=Holds(str(tmp_path / "made"), ""))
        (tmp_path / "made").touch()
        book.task("Make another", check=Holds(str(tmp_path / "other"), ""), hosts="host-a")
        book.close()
    return tmp_path / "runs"


def test_the_table_has_tries_and_the_first_solution(runs: Path) -> None:
    table = progress(runs)
    assert list(table.columns) == list(COLUMNS)
    assert table[["task", "state", "tries", "hosts"]].to_numpy().tolist() == [
        ["Make the file", "solved", 2, "host-a, host-b"],
        ["Make another", "not yet", 2, "host-a"],
    ]
    assert table["solved"].isna().tolist() == [False, True]
    assert str(table["solved"].dtype) == "datetime64[us, UTC]"
    assert list(progress(runs.parent / "none").columns) == list(COLUMNS)


def test_learners_of_the_same_name_are_told_apart_by_the_directory(tmp_path: Path) -> None:
    """Machines of a class that are copies of one machine have one name, and one user."""
    for learner in ("anna", "bert"):
        place = tmp_path / learner
        place.mkdir()
        book = Runbook.open(parameters(place))
        if learner == "anna":
            (place / "made").touch()
        book.task("Make the file", check=Holds(str(place / "made"), ""))
        book.close()
    runs = {name: tmp_path / name / "runs" for name in ("anna", "bert")}
    table = progress(runs["anna"], runs["bert"])
    assert table["state"].tolist() == ["solved", "not yet"]
    assert [str(runs[name]) in row for name, row in zip(runs, table["learner"], strict=True)] == [True, True]
    assert progress(runs["anna"], str(runs["anna"]))["tries"].tolist() == [1], "one directory, named twice"
    assert "(" not in progress(runs["anna"])["learner"][0]


def test_a_task_is_a_check_in_the_tables(runs: Path) -> None:
    records = sorted(map(read_run, runs.iterdir()), key=lambda record: record.started)
    checks = tables(records).checks
    solved = checks[checks["id"] == "task.solved"]
    assert solved["holds"].tolist() == [False, False, False, True, True, False]


def test_the_command_shows_it(runs: Path) -> None:
    shown = CliRunner().invoke(cli, ["progress", str(runs)], catch_exceptions=False)
    assert "10_practice" in shown.output
    assert "tasks tried: 2, solved: 1" in shown.output
    csv = CliRunner().invoke(cli, ["progress", "--csv", str(runs)], catch_exceptions=False).output
    assert csv.splitlines()[0] == ",".join(COLUMNS)
    with pytest.raises(Exception, match="not a directory"):
        CliRunner().invoke(cli, ["progress", str(runs / "none")], catch_exceptions=False)


def test_the_tasks_of_a_lesson_are_known_before_it_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = catalog.load(TOP / "notebooks" / "01_first_steps.ipynb")
    assert task_titles(lesson.notebook) == ["Put the word done into ~/runbook-first-steps"]
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(cli, ["progress"], catch_exceptions=False).output
    assert "tasks tried: 0, solved: 0" in shown
    assert "  01_first_steps: Put the word done into" in shown
