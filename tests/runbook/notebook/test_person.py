"""Where a program sends one cell after another, nobody has seen why a run ended: it gets no further step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import Status
from tests.runbook.desk import CLOSE, STEP, Desk, entries

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ipython_kernel import Kernel

FAILS = 'book.step("Bad", Does(("false",)))'
UNKNOWN_HOST = 'book.step("Elsewhere", Does(("true",)), hosts="nobody")'
REFUSED = "the run has ended as"


def caught(code: str) -> str:
    return f"try:\n    {code}\nexcept Exception:\n    pass"


@pytest.fixture
def desk(kernel: Kernel, tmp_path: Path) -> Desk:
    return Desk(kernel, tmp_path)


@pytest.fixture
def program(kernel: Kernel, desk: Desk) -> Desk:
    """The same, to which a program sends the cells."""
    desk.kernel = kernel
    return desk


def test_after_a_failed_step_that_the_notebook_has_caught_the_next_one_is_refused(program: Desk) -> None:
    program.begin(caught(FAILS))
    assert f"{REFUSED} failed, so step 'Fine' was not begun" in program.kernel.fail(STEP)
    assert "StepFailed" in program.kernel.fail(CLOSE)
    assert read_journal(program.run).status is Status.FAILED


def test_a_step_after_the_end_of_a_good_run_fails_the_next_close_also_if_it_is_caught(program: Desk) -> None:
    program.begin(STEP, CLOSE, caught(STEP))
    assert "step 'Fine' was refused: the run had ended as changed" in program.kernel.fail(CLOSE)
    assert read_journal(program.run).status is Status.CHANGED


def test_a_refused_step_that_is_caught_has_failed(program: Desk) -> None:
    program.begin(STEP, caught(UNKNOWN_HOST))
    assert "step 'Elsewhere' was refused" in program.kernel.fail(CLOSE)
    assert read_journal(program.run).status is Status.FAILED


def test_a_person_may_continue(desk: Desk) -> None:
    desk.begin(STEP, caught(UNKNOWN_HOST), caught(FAILS), STEP, CLOSE)
    assert [read_journal(run).status for run in desk.all_runs()] == [Status.FAILED, Status.CHANGED]
    assert [entry["event"] for entry in entries(desk.all_runs()[1])][-1] == "run_ended"
