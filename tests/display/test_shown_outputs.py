"""What a kernel sends is kept as a notebook keeps it, up to a size, for the cells of one run."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from runbook_lib.display import shown_outputs as module
from runbook_lib.display.shown_outputs import ShownOutputs


def printed(text: str, name: str = "stdout") -> tuple[str, dict[str, Any]]:
    return "stream", {"name": name, "text": text}


def displayed(text: object, display_id: str = "") -> dict[str, Any]:
    return {"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": display_id}}


def texts(shown: ShownOutputs, request: str) -> list[object]:
    return [output.get("text") or output["data"]["text/plain"] for output in shown.of(request)]


@pytest.fixture
def shown() -> ShownOutputs:
    kept = ShownOutputs()
    kept.keep()
    return kept


def test_pieces_of_one_stream_are_one_output_until_something_else_is_shown(shown: ShownOutputs) -> None:
    for text, name in (("a", "stdout"), ("b", "stdout"), ("e", "stderr"), ("c", "stdout")):
        shown.add(*printed(text, name), "cell")
    shown.add("status", {"execution_state": "idle"}, "cell")
    assert texts(shown, "cell") == ["ab", "e", "c"]
    assert shown.of("another cell") == []


def test_an_error_and_a_result_are_as_in_a_notebook(shown: ShownOutputs) -> None:
    problem = {"ename": "NameError", "evalue": "name", "traceback": ["line"]}
    shown.add("error", problem, "cell")
    shown.add("execute_result", {**displayed("3"), "execution_count": 7}, "cell")
    assert shown.of("cell") == [
        {"output_type": "error", **problem},
        {"output_type": "execute_result", "execution_count": 7, "data": {"text/plain": "3"}, "metadata": {}},
    ]


def test_an_output_is_replaced_in_each_cell_that_shows_it(shown: ShownOutputs) -> None:
    for request in ("first", "second"):
        shown.add("display_data", displayed("before", "x"), request)
    shown.add("display_data", displayed("other"), "second")
    shown.add("update_display_data", displayed(dt.date(2026, 1, 2), "x"), "third")
    shown.add("update_display_data", displayed("of none"), "third")
    assert texts(shown, "first") == ["2026-01-02"]
    assert texts(shown, "second") == ["2026-01-02", "other"]


@pytest.mark.parametrize(("content", "rest"), [({"wait": True}, ["a"]), ({"wait": False}, [])])
def test_a_cleared_output_stays_until_the_next_one_if_it_is_to_wait(
    shown: ShownOutputs, content: dict[str, bool], rest: list[str]
) -> None:
    shown.add(*printed("a"), "cell")
    shown.add("clear_output", content, "cell")
    assert texts(shown, "cell") == rest
    shown.add(*printed("b"), "cell")
    assert texts(shown, "cell") == ["b"]


def test_between_two_runs_only_the_latest_cell_is_kept(shown: ShownOutputs) -> None:
    for request in ("first", "second"):
        shown.add(*printed(request), request)
    shown.forget()
    assert (texts(shown, "first"), texts(shown, "second")) == ([], ["second"])
    shown.add(*printed("third"), "third")
    assert texts(shown, "second") == []
    shown.keep()
    shown.add(*printed("fourth"), "fourth")
    assert (texts(shown, "third"), texts(shown, "fourth")) == (["third"], ["fourth"])


def test_a_cell_that_shows_too_much_says_so_and_the_others_keep_theirs(shown: ShownOutputs) -> None:
    shown.add(*printed("small"), "first")
    for _ in range(3):
        shown.add(*printed("x" * (module._MOST // 2)), "large")  # noqa: SLF001 - the limit
    shown.add(*printed("small"), "last")
    assert (texts(shown, "first"), texts(shown, "last")) == (["small"], ["small"])
    (note,) = texts(shown, "large")
    assert "have shown too much" in str(note)
