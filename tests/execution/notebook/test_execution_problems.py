"""The error of a cell is named with the cell, as its author counts, and in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from papermill.exceptions import PapermillException, PapermillExecutionError

from runbook_lib.evidence.notebook import Notebook
from runbook_lib.execution.notebook.execution_problems import execution_problem
from tests.execution.project import OPEN, finish

if TYPE_CHECKING:
    from tests.execution.project import Project


def raised(name: str, value: str, index: int = 4) -> PapermillExecutionError:
    return PapermillExecutionError(index, 3, "source", name, value, ["a\nlong", "traceback"])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("KeyError", "'zone'", "cell 5 raised KeyError: 'zone'"),
        ("AssertionError", "", "cell 5 raised AssertionError"),
        ("ValueError", "\n one \ntwo\nthree", "cell 5 raised ValueError: one"),
        ("SecretError", "a: b\n  hint: set it\n  more", "cell 5 raised SecretError: a: b; hint: set it"),
        (
            "StepFailed",
            "r: bad:\n  step 1\n  hint: look",
            "cell 5 raised StepFailed: r: bad: step 1; hint: look",
        ),
        ("CellExecutionError", "", "cell 5 was not executed to its end"),
    ],
)
def test_the_cell_and_its_error_are_one_line(name: str, value: str, said: str) -> None:
    assert execution_problem(raised(name, value)) == said


def test_what_is_no_error_of_a_cell_is_as_papermill_says_it() -> None:
    assert execution_problem(PapermillException("no kernel\n\nat all\n")) == "no kernel at all"
    assert execution_problem(RuntimeError()) == "RuntimeError"


def code(*tags: str) -> dict[str, object]:
    return {"cell_type": "code", "source": "", "metadata": {"tags": [*tags]}}


@pytest.mark.parametrize(
    ("cells", "index", "counted"),
    [
        ([code(), code("parameters"), code()], 0, 1),
        ([code(), code("parameters"), code()], 1, 2),
        ([code(), code("parameters"), code()], 3, 3),  # the third of the executed notebook is papermill's
        ([code("parameters"), code("injected-parameters"), code()], 2, 3),
    ],
)
def test_the_cell_that_papermill_adds_is_not_counted(
    cells: list[dict[str, object]], index: int, counted: int
) -> None:
    notebook = Notebook("n", cells, {})
    assert execution_problem(raised("E", "", index), notebook) == f"cell {counted} raised E"


@pytest.mark.parametrize("given", [[], ["-p", "mode=apply"]])
def test_a_run_prints_the_cell_that_raised(project: Project, given: list[str]) -> None:
    path = project.notebook(OPEN, 'book.step("Fine", Does(("true",)))', "x = 1\nassert x == 2, 'no'\n")
    done = finish(project.start("runbook_lib.cli.main", "run", str(path), *given))
    assert done.code == 1, done.output
    assert "  cell 5 raised AssertionError: no\n" in done.output
    assert "---->" not in done.output
