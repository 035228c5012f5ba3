"""The copy of a notebook that was not saved before the end of its run has what its cells have shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbformat import read, validate

from runbook_lib.audit.verify.verify import verify_run
from tests.deadlines import deadline
from tests.runbook.desk import CLOSE, OPEN, STEP, copied

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runbook.desk import Desk


def outputs(run: Path) -> dict[str, list[str]]:
    """Return the outputs of each cell of a copy, as text, by the cell's text."""
    copy = read(run / "notebook.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    validate(copy)
    return {
        cell.source: [
            item.data["text/plain"] if "data" in item else item.get("text", "") for item in cell.outputs
        ]
        for cell in copy.cells
        if cell.execution_count
    }


def test_a_notebook_that_was_never_saved_with_outputs_is_copied_with_them(desk: Desk) -> None:
    desk.save(OPEN, 'print("one")\nprint("two")\n3', STEP, CLOSE)
    desk.begin('print("one")\nprint("two")\n3', STEP, CLOSE)
    opened, shown, (card,), last = (outputs(desk.run)[cell] for cell in outputs(desk.run))
    assert "evidence in" in opened[-1]  # an earlier test may have left a run open, which ends here
    assert shown == ["one\ntwo\n", "3"]
    assert card.startswith("1. Fine: changed")
    assert last == []
    assert copied(desk.run)["outputs_added"] == sorted(copied(desk.run)["outputs_added"])
    assert "rb changed" in (desk.run / "notebook.ipynb").read_text(encoding="utf-8")
    verdict = verify_run(desk.run, approved=desk.run)
    assert {finding.kind for finding in verdict.findings if finding.part == "notebook"} == {"note"}


def test_of_a_cell_that_ran_twice_the_copy_has_what_it_showed_last(desk: Desk) -> None:
    desk.save(OPEN, "print(number)", CLOSE)
    desk.begin(STEP, "number = 1", "print(number)", "number = 2", "print(number)", CLOSE)
    assert outputs(desk.run)["print(number)"] == ["2\n"]
    assert copied(desk.run)["outputs_as_saved"] == []


def test_a_replaced_and_a_cleared_output_is_copied_as_it_was_last(desk: Desk) -> None:
    cell = (
        "from IPython.display import clear_output, display, update_display\n"
        "print('cleared')\nclear_output(wait=True)\ndisplay('before', display_id='x')\n"
        "update_display('after', display_id='x')"
    )
    desk.save(OPEN, cell, CLOSE)
    desk.begin(STEP, cell, CLOSE)
    assert outputs(desk.run)[cell] == ["'after'"]


def test_a_cell_is_found_by_its_id_and_of_one_that_was_edited_since_the_copy_has_what_was_saved(
    desk: Desk,
) -> None:
    desk.save(OPEN, "print(1)", "print(1)", STEP, CLOSE)
    ids = [cell.id for cell in read(desk.book, as_version=4).cells]  # type: ignore[no-untyped-call]
    desk.begin()
    for cell, id_ in (("print(1)", ids[4]), ("print(1)", ids[5]), ('print("edited")', ids[4])):
        request = {"code": cell, "silent": False, "store_history": True, "allow_stdin": True}
        client = desk.kernel.client
        message = client.session.msg("execute_request", request, metadata={"cellId": id_})
        client.shell_channel.send(message)
        client.get_shell_msg(timeout=deadline(60))
    desk.kernel.run(STEP)
    desk.kernel.run(CLOSE)
    copy = read(desk.run / "notebook.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    assert [[item.text for item in cell.outputs] for cell in copy.cells[4:6]] == [["1\n"], ["1\n"]]
    assert copy.cells[4].execution_count < copy.cells[5].execution_count
    assert [cell["source"] for cell in copied(desk.run)["not_in_copy"]] == ['print("edited")']


def test_which_of_two_equal_cells_ran_is_not_guessed(desk: Desk) -> None:
    desk.save(OPEN, "print(1)", "print(1)", STEP, CLOSE)
    desk.begin("print(1)", STEP)
    (card,) = [
        item["content"]["data"] for item in desk.kernel.execute(CLOSE) if item["msg_type"] == "display_data"
    ]
    entry = copied(desk.run)
    (count,) = entry["outputs_as_saved"]
    assert f"what ran as [{count}] has the outputs that the file had" in entry["message"]
    assert "notebook with its outputs, but for 1 cell: " in card["text/plain"]
    assert "print(1)" not in outputs(desk.run)


def test_what_a_cell_of_an_earlier_run_showed_is_not_in_the_copy_of_the_next_one(desk: Desk) -> None:
    desk.save(OPEN, STEP, "print(1)", CLOSE)
    desk.begin(STEP, "print(1)", CLOSE, OPEN, STEP, CLOSE)
    first, second = desk.all_runs()
    assert "print(1)" in outputs(first)
    assert outputs(second).keys() == {OPEN, STEP, CLOSE}
