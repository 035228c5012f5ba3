"""One judge decides the outcome of a notebook: what contradicts a good end makes it worse, nothing makes it better."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.evidence.judgement import EXECUTION, Execution, Judgement, judge
from runbook_lib.evidence.layout import RUN_MIME
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.model.records import RunRecord
from runbook_lib.model.status import Mode, Status

GOOD = [Status.OK, Status.CHANGED, Status.PLANNED]
BAD = [Status.FAILED, Status.UNREACHABLE, Status.INTERRUPTED, Status.UNKNOWN]
FINISHED = Execution("finished")


def run(status: Status, name: str = "one") -> RunRecord:
    return RunRecord(
        run=name,
        runbook="10_practice",
        mode=Mode.APPLY,
        status=status,
        started=datetime(2026, 11, 26, tzinfo=UTC),
    )


def cell(
    count: int | None, *outputs: dict[str, Any], source: str = "1", tags: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "source": source,
        "execution_count": count,
        "outputs": list(outputs),
        "metadata": {"tags": list(tags)},
    }


def raised_unseen(count: int, *outputs: dict[str, Any]) -> dict[str, Any]:
    """Return a cell of which only papermill's own note says that it raised."""
    made = cell(count, *outputs)
    return {**made, "metadata": {**made["metadata"], "papermill": {"exception": True, "status": "failed"}}}


def error(name: str, value: str = "") -> dict[str, Any]:
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": []}


def bundle(**data: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"output_type": "display_data", "data": {RUN_MIME: data}, "metadata": {}}


def judged(
    *cells: dict[str, Any], status: Status = Status.OK, execution: Execution | None = FINISHED
) -> Judgement:
    return judge([run(status)], Notebook("notebook.ipynb", list(cells), {}), execution)


def test_a_notebook_that_went_through_has_the_outcome_of_its_run() -> None:
    for status in [*GOOD, *BAD, Status.SKIPPED]:
        assert judged(cell(1), cell(2), status=status).status is status
        assert not judged(cell(1), cell(2), status=status).problems


@pytest.mark.parametrize(
    ("cells", "status", "words"),
    [
        ([cell(1), cell(2, error("ValueError", "no"))], Status.FAILED, "cell 2 raised ValueError: no"),
        ([cell(1), cell(2, error("AssertionError"))], Status.FAILED, "cell 2 raised AssertionError"),
        (
            [cell(1), cell(2, error("KeyboardInterrupt"))],
            Status.INTERRUPTED,
            "cell 2 raised KeyboardInterrupt",
        ),
        ([cell(1), cell(2, error("SystemExit", "3"))], Status.FAILED, "cell 2 raised SystemExit: 3"),
        ([cell(1, error("ValueError"), tags=("raises-exception",)), cell(2)], Status.FAILED, "cell 1 raised"),
        ([cell(1), raised_unseen(2)], Status.FAILED, "cell 2 raised, and its output does not show what"),
        (
            [cell(1), raised_unseen(2, error("SystemExit", "0")), cell(None)],
            Status.UNKNOWN,
            "cell 3 was not executed",
        ),
        ([cell(1), cell(None)], Status.UNKNOWN, "cell 2 was not executed"),
        ([cell(1, error("SystemExit", "0")), cell(None)], Status.UNKNOWN, "cell 2 was not executed"),
        ([cell(1), cell(3), cell(2)], Status.UNKNOWN, "cell 3 was not executed in order"),
        ([cell(1), cell(1)], Status.UNKNOWN, "cell 2 was not executed in order"),
        ([cell(1), cell(2, tags=("skip-execution",))], Status.UNKNOWN, "cell 2 is tagged skip-execution"),
    ],
)
def test_a_cell_that_contradicts_a_good_end_decides(
    cells: list[dict[str, Any]], status: Status, words: str
) -> None:
    judgement = judged(*cells)
    assert judgement.status is status
    assert judgement.exit_code != 0
    assert words in judgement.problems[0]


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        ("kernel died", Status.UNKNOWN),
        ("interrupted", Status.INTERRUPTED),
        ("timed out", Status.FAILED),
        ("failed", Status.FAILED),
        ("unknown", Status.UNKNOWN),
    ],
)
def test_an_execution_that_did_not_finish_is_never_good(ended: Any, status: Status) -> None:  # noqa: ANN401
    assert judged(cell(1), execution=Execution(ended, "because")).status is status


@pytest.mark.parametrize(
    ("cells", "ended", "status"),
    [
        ([cell(1), cell(2, error("StepFailed")), cell(None)], "failed", Status.FAILED),
        ([cell(1), cell(2, error("StepFailed")), cell(None)], "failed", Status.UNREACHABLE),
        ([cell(1), cell(2, error("KeyboardInterrupt")), cell(None)], "interrupted", Status.INTERRUPTED),
        ([cell(1), cell(2, error("KeyboardInterrupt")), cell(None)], "failed", Status.FAILED),  # a deadline
        ([cell(1), cell(None)], "interrupted", Status.INTERRUPTED),
    ],
)
def test_cells_after_the_one_that_ended_the_execution_do_not_hide_how_it_ended(
    cells: list[dict[str, Any]],
    ended: Any,  # noqa: ANN401 - an end
    status: Status,
) -> None:
    assert judged(*cells, status=status, execution=Execution(ended)).status is status


def test_empty_cells_prose_and_a_clean_exit_at_the_end_contradict_nothing() -> None:
    prose = {"cell_type": "markdown", "source": "text", "metadata": {}}
    assert (
        judged(prose, cell(None, source=" \n"), cell(1), cell(2, error("SystemExit", "0"))).status
        is Status.OK
    )


def test_cells_that_a_person_ran_by_hand_are_not_held_against_the_run() -> None:
    assert (
        judged(cell(7, error("NameError", "typo")), cell(3), cell(None), execution=None).status is Status.OK
    )


def test_another_run_of_the_same_notebook_counts_even_where_only_the_notebook_knows_of_it() -> None:
    failed = [bundle(event="opened", run="two"), bundle(event="ended", run="two", status="failed")]
    for outputs, status in ((failed, Status.FAILED), (failed[:1], Status.UNKNOWN)):
        judgement = judged(cell(1, *outputs))
        assert judgement.status is status
        assert "run two of the same notebook" in judgement.problems[0]


def test_a_notebook_without_any_run_has_proved_nothing() -> None:
    assert judge([], Notebook("notebook.ipynb", [cell(1)], {}), FINISHED).status is Status.UNKNOWN


def test_a_run_whose_journal_is_gone_is_unknown() -> None:
    judgement = judge([run(Status.OK)], broken=["run two: there is no journal"])
    assert (judgement.status, judgement.exit_code) == (Status.UNKNOWN, 4)


def test_a_run_that_skipped_everything_has_an_exit_code_of_its_own() -> None:
    assert judged(cell(1), status=Status.SKIPPED).exit_code == 5


@pytest.mark.parametrize("recorded", [None, 3, {}, {"ended": "fine"}, {"ended": ["finished"]}])
def test_what_the_engine_never_records_is_not_a_finished_execution(recorded: object) -> None:
    notebook = Notebook("notebook.ipynb", [cell(1)], {EXECUTION: recorded})
    execution = Execution.of_notebook(notebook)
    assert execution is None or execution.ended == "unknown"


@given(
    statuses=st.lists(st.sampled_from(Status), min_size=1, max_size=3),
    counts=st.lists(st.one_of(st.none(), st.integers(1, 5)), max_size=5),
    raised=st.sets(st.integers(0, 4)),
    ended=st.sampled_from(["finished", "kernel died", "interrupted", "timed out", "failed", "unknown"]),
)
def test_exit_code_0_needs_every_run_good_and_every_cell_executed_in_order(
    statuses: list[Status],
    counts: list[int | None],
    raised: set[int],
    ended: Any,  # noqa: ANN401
) -> None:
    cells = [
        cell(count, *([error("ValueError")] if number in raised else []))
        for number, count in enumerate(counts)
    ]
    runs = [run(status, str(number)) for number, status in enumerate(statuses)]
    judgement = judge(runs, Notebook("notebook.ipynb", cells, {}), Execution(ended, "because"))
    in_order = None not in counts and counts == sorted(set(counts))  # type: ignore[type-var]
    whole = in_order and not raised & set(range(len(counts))) and ended == "finished"
    well = all(status.is_success or status is Status.SKIPPED for status in statuses)
    done = any(status.is_success for status in statuses)
    assert (judgement.exit_code == 0) == (whole and well and done)


def test_a_run_is_not_another_run_of_its_own_notebook() -> None:
    said = "run one of the same notebook is failed; run two of the same notebook is interrupted"
    book = Notebook("notebook.ipynb", [cell(1)], {})
    execution = Execution("interrupted", said)
    judgement = judge([run(Status.FAILED)], book, execution)
    assert judgement.problems == ("run two of the same notebook is interrupted",)
    assert judge([run(Status.OK, "three")], book, execution).problems == (said,)
    assert judge([run(Status.FAILED), run(Status.INTERRUPTED, "two")], book, execution).problems == ()
