"""A run made by hand, in a kernel that our engine did not start, leaves the same evidence, and says what it lacks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from nbformat import read, write
from nbformat.v4 import new_code_cell, new_notebook, new_output

from runbook_lib.attestation import seal
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.evidence.judgement import EXECUTION, judged_record
from runbook_lib.evidence.layout import RUN_MIME
from runbook_lib.model.status import Status
from tests.deadlines import deadline
from tests.runbook.desk import CLOSE, IMPORTS, OPEN, STEP, copied, entries

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runbook.desk import Desk


def files(run: Path) -> list[str]:
    return sorted(path.name for path in run.iterdir() if path.name != "output")


EVIDENCE = ["attestation.json", "journal.jsonl", "junit.xml", "parameters.yml", "report.html"]
WITH_COPY = sorted([*EVIDENCE, "notebook.ipynb"])


def sealed_result(run: Path) -> str:
    return verify_run(run, approved=run).result


def test_closing_seals_reports_and_copies_and_shows_where(desk: Desk) -> None:
    desk.save(OPEN, STEP, CLOSE)
    desk.begin(STEP)
    (card,) = [
        item["content"]["data"] for item in desk.kernel.execute(CLOSE) if item["msg_type"] == "display_data"
    ]
    assert files(desk.run) == WITH_COPY
    assert (desk.run / "notebook.ipynb").stat().st_mode & 0o777 == 0o600
    for name in ("report.html", "attestation.json", "notebook.ipynb"):
        assert str(desk.run / name) in card["text/plain"]
        assert f'href="runs/{desk.run.name}/{name}"' in card["text/html"]
    assert "seal (unsigned), which records the result PASSED" in card["text/plain"]
    entry = copied(desk.run)
    assert (entry["path"], entry["cells"], entry["not_in_copy"], entry["errors"]) == (
        str(desk.book),
        3,
        [],
        [],
    )
    assert "with what the kernel has shown in its cells" in entry["message"]
    assert "notebook with its outputs: " in card["text/plain"]
    desk.kernel.run(CLOSE)  # nothing is done a second time
    assert len([entry for entry in entries(desk.run) if entry["event"] == "run_ended"]) == 1


def test_the_copy_lacks_the_last_card_and_that_is_no_finding_against_the_run(desk: Desk) -> None:
    desk.save(OPEN, STEP, CLOSE)
    approved = desk.book.parent / "approved"
    approved.mkdir()
    (approved / desk.book.name).write_bytes(desk.book.read_bytes())
    desk.begin(STEP, CLOSE)
    verdict = verify_run(desk.run, approved=approved)
    assert {finding.kind for finding in verdict.findings if finding.part in {"notebook", "source"}} <= {
        "note",
        "warning",
    }
    assert verdict.verdict == "unsigned"
    assert any("no record of the end of the run" in finding.message for finding in verdict.findings)
    assert not any("no record of step" in finding.message for finding in verdict.findings)


def test_an_edit_that_was_not_saved_is_in_the_evidence_and_altered(desk: Desk) -> None:
    desk.save(OPEN, STEP, CLOSE)
    approved = desk.book.parent / "approved"
    approved.mkdir()
    (approved / desk.book.name).write_bytes(desk.book.read_bytes())
    edited = 'book.step("Other", Does(("echo", "never saved")))'
    desk.begin(edited, STEP, CLOSE)
    (cell,) = copied(desk.run)["not_in_copy"]
    assert cell["source"] == edited
    verdict = verify_run(desk.run, approved=approved)
    (finding,) = [finding for finding in verdict.findings if finding.kind == "altered"]
    assert (
        f"the cell that ran as [{cell['count']}] is neither in the copy of the notebook nor approved"
        in finding.message
    )
    assert finding.diff == f"+{edited}"


@pytest.mark.parametrize(
    ("session", "message"),
    [
        (None, "the path of the notebook is not known"),
        ("/nonexistent/10_practice.ipynb", "the path of the notebook is not known"),
        ("{place}/inventory.yml", "the path of the notebook is not known"),
        ("{place}/console-1", "the path of the notebook is not known"),
        ("{place}/other.ipynb", "no cell of this run is in the file"),
        ("{place}/broken.ipynb", "not a notebook"),
    ],
    ids=["nobody-says", "missing", "no-notebook", "console", "another", "broken"],
)
def test_where_the_notebook_is_not_known_there_is_no_copy_and_the_cells_that_ran_are_recorded(
    desk: Desk, session: str | None, message: str
) -> None:
    place = desk.book.parent
    write(new_notebook(cells=[new_code_cell("another()")]), place / "other.ipynb")  # type: ignore[no-untyped-call]
    (place / "broken.ipynb").write_text('{"cells": [', encoding="utf-8")
    name = session.format(place=place) if session else None
    given = f"os.environ['JPY_SESSION_NAME'] = {name!r}" if name else "del os.environ['JPY_SESSION_NAME']"
    desk.kernel.run(given)
    desk.begin(STEP, CLOSE)
    assert files(desk.run) == EVIDENCE
    entry = copied(desk.run)
    assert message in entry["message"]
    assert (entry["path"], entry["sha256"]) == ("", "")
    assert [cell["source"] for cell in entry["not_in_copy"]] == [OPEN, STEP, CLOSE]
    assert judged_record(desk.run).status is Status.CHANGED


def test_a_notebook_of_vs_code_is_found_too(desk: Desk) -> None:
    desk.save(OPEN, STEP, CLOSE)
    desk.kernel.run(f"os.environ.pop('JPY_SESSION_NAME'); __vsc_ipynb_file__ = {str(desk.book)!r}")
    desk.begin(STEP, CLOSE)
    assert copied(desk.run)["path"] == str(desk.book)


def test_an_error_between_two_steps_is_recorded_and_does_not_end_the_run(desk: Desk) -> None:
    desk.save(OPEN, STEP, "tpyo()", CLOSE)
    desk.begin(STEP)
    desk.kernel.fail("tpyo()")
    desk.kernel.run(CLOSE)
    (error,) = copied(desk.run)["errors"]
    assert error["error"].startswith("NameError: name 'tpyo'")
    assert judged_record(desk.run).status is Status.CHANGED


def test_a_failed_step_ends_seals_and_reports_the_run_and_the_next_one_is_a_new_run(desk: Desk) -> None:
    desk.save(OPEN, STEP, CLOSE)
    desk.begin()
    desk.kernel.fail('book.step("Bad", Does(("false",)))')
    assert files(desk.run) == WITH_COPY
    assert "the run is failed" in desk.kernel.fail(CLOSE)
    shown = desk.kernel.execute(STEP)
    assert "has ended as failed" in shown[2]["content"]["data"]["text/plain"]
    desk.kernel.run(CLOSE)
    failed, again = desk.all_runs()
    assert (sealed_result(failed), sealed_result(again)) == ("FAILED", "PASSED")
    assert [cell["source"] for cell in copied(again)["not_in_copy"]] == []


def test_opening_again_ends_and_seals_the_run_that_was_left_open(desk: Desk) -> None:
    desk.save(OPEN, STEP, CLOSE)
    desk.begin(STEP, OPEN, STEP, CLOSE)
    left, closed = desk.all_runs()
    assert (judged_record(left).status, sealed_result(left)) == (Status.INTERRUPTED, "FAILED")
    assert (judged_record(closed).status, sealed_result(closed)) == (Status.CHANGED, "PASSED")


def test_what_the_file_still_shows_of_older_runs_is_not_held_against_this_one(desk: Desk) -> None:
    older = {"event": "opened", "run": "20200101T000000Z_10_practice_000000"}
    output = new_output("display_data", data={RUN_MIME: older})  # type: ignore[no-untyped-call]
    stale = {"ended": "failed", "problem": "an execution by our engine, last year"}
    desk.save(OPEN, STEP, CLOSE, "other()", outputs=[output], **{EXECUTION: stale})
    desk.begin(STEP, CLOSE)
    assert judged_record(desk.run).status is Status.CHANGED
    copy = read(desk.run / "notebook.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    assert EXECUTION not in copy.metadata
    assert copy.cells[-1].outputs[0].data[RUN_MIME] == older


def test_a_secret_in_the_file_is_not_copied(desk: Desk) -> None:
    desk.save(OPEN, "book.secret('${env:WORD}')", 'print("open-sesame")', CLOSE)
    desk.kernel.run("os.environ['WORD'] = 'open-sesame'")
    desk.begin("book.secret('${env:WORD}') and None", 'print("open-sesame", 1)', STEP, CLOSE)
    desk.kernel.run("del os.environ['WORD']")
    for path in desk.run.rglob("*"):
        assert path.is_dir() or b"open-sesame" not in path.read_bytes()
    assert "${env:WORD}" in (desk.run / "notebook.ipynb").read_text(encoding="utf-8")


def test_cells_that_are_sent_without_a_history_are_recorded_all_the_same(desk: Desk) -> None:
    desk.save(OPEN, STEP, CLOSE)
    for cell in (desk.parameters, IMPORTS, OPEN, STEP, "edited = 1", CLOSE):
        desk.kernel.client.execute_interactive(
            cell, store_history=False, timeout=deadline(60), output_hook=lambda _: None
        )
    entry = copied(desk.run)
    assert entry["cells"] >= len((STEP, "edited = 1", CLOSE))
    assert [cell["source"] for cell in entry["not_in_copy"]][-1:] == ["edited = 1"]


def test_a_run_that_cannot_be_sealed_says_so_and_is_sealed_later(desk: Desk) -> None:
    desk.save(OPEN, STEP, CLOSE)
    desk.kernel.run("os.environ['RUNBOOK_SIGNING_KEY'] = '/nonexistent/key.pem'")
    desk.begin(STEP)
    traceback = desk.kernel.fail(CLOSE)
    desk.kernel.run("del os.environ['RUNBOOK_SIGNING_KEY']")
    assert "the run is changed, but its evidence is not complete" in traceback
    assert "runbook audit seal" in traceback
    assert "attestation.json" not in files(desk.run)
    assert judged_record(desk.run).status is Status.CHANGED
    assert seal(desk.run, []).result == "PASSED"


def test_a_name_that_is_not_utf_8_costs_neither_the_end_of_the_run_nor_its_copy(desk: Desk) -> None:
    printing = "print('na\\udcefve.cfg')"
    desk.save(OPEN, printing, STEP, CLOSE)
    desk.begin(printing, STEP)
    desk.kernel.fail("raise ValueError('na\\udcefve.cfg')")
    desk.kernel.run(CLOSE)
    assert files(desk.run) == WITH_COPY
    shown = read(desk.run / "notebook.ipynb", as_version=4).cells[4].outputs[0].text  # type: ignore[no-untyped-call]
    assert shown == "na\N{REPLACEMENT CHARACTER}ve.cfg\n"
    (error,) = copied(desk.run)["errors"]
    assert error["error"] == "ValueError: na\N{REPLACEMENT CHARACTER}ve.cfg"
    assert judged_record(desk.run).status is Status.CHANGED
    assert sealed_result(desk.run) == "PASSED"


def test_whatever_is_in_the_file_the_end_of_the_run_is_recorded(desk: Desk) -> None:
    desk.save(OPEN, STEP, CLOSE)
    content = json.loads(desk.book.read_bytes())
    desk.book.write_text(json.dumps({**content, "cells": [*content["cells"], 7]}), encoding="utf-8")
    desk.begin(STEP, CLOSE)
    assert files(desk.run) == EVIDENCE
    assert copied(desk.run)["message"].startswith(f"{desk.book}: ")
    assert judged_record(desk.run).status is Status.CHANGED
