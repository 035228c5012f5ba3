"""A secret that a run learns only after it was recorded: it says so, and does not repeat it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.errors import InputError, Interrupted, StepFailed
from runbook_lib.evidence.judgement import judged_record
from runbook_lib.report.data_frames import tables
from tests.runbook.desk import CLOSE, OPEN, STEP, entries
from tests.runbook.practice import Content, Does, Token, parameters

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.audit.verify.verdict import Verdict
    from tests.runbook.desk import Desk

VALUE = "open-\"sésame'7"
LATE = "book.secret('${env:WORD}') and None"


def having(directory: Path, value: str = VALUE) -> list[str]:
    """The files that have a value, in plain text or as JSON has it."""
    forms = [
        value.encode(),
        value.replace('"', '\\"').encode(),
        value.encode("unicode_escape").replace(b'"', b'\\"'),
    ]
    return sorted(
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in forms)
    )


def warnings(verdict: Verdict) -> list[str]:
    return [finding.where for finding in verdict.findings if "in plain text" in finding.message]


def altered(verdict: Verdict) -> list[str]:
    return [
        f"{finding.where}: {finding.message}" for finding in verdict.findings if finding.kind == "altered"
    ]


def test_by_hand_only_the_journal_has_it_and_all_that_is_made_from_it_says_where(desk: Desk) -> None:
    echo = f"book.step('Echo', Does(('echo', {VALUE!r}))); print('again', {VALUE!r})"
    desk.save(OPEN, echo, LATE, STEP, CLOSE)
    approved = desk.book.parent / "approved"
    approved.mkdir()
    (approved / desk.book.name).write_bytes(desk.book.read_bytes())
    desk.kernel.run(f"os.environ['WORD'] = {VALUE!r}")
    desk.begin(echo)
    (card,) = [
        item["content"]["data"] for item in desk.kernel.execute(LATE) if item["msg_type"] == "display_data"
    ]
    assert "journal.jsonl (step 1 on host-a)" in card["text/plain"]
    assert "Rotate the secret" in card["text/html"]
    desk.kernel.run(STEP)
    desk.kernel.run(CLOSE)
    desk.kernel.run("del os.environ['WORD']")
    assert having(desk.run) == ["journal.jsonl"]
    exposed = [entry for entry in entries(desk.run) if entry["event"] == "secret_exposed"]
    assert [entry["reference"] for entry in exposed] == ["${env:WORD}", "${env:WORD}"]
    assert exposed[1]["places"] == [{"file": str(desk.book), "step": 0, "host": ""}], (
        "the saved notebook itself"
    )
    verdict = verify_run(desk.run, approved=approved)
    assert (altered(verdict), verdict.verdict) == ([], "unsigned")
    assert warnings(verdict) == ["journal.jsonl (step 1 on host-a)", str(desk.book)]
    assert VALUE not in verdict.model_dump_json()
    report = (desk.run / "report.html").read_text(encoding="utf-8")
    assert "Secrets in plain text" in report
    record = judged_record(desk.run)
    assert "journal.jsonl (step 1 on host-a)" in record.exposed_secrets
    frame = tables([record])
    assert frame.runs["exposed_secrets"][0] == record.exposed_secrets
    assert not frame.commands["text"].str.contains("sésame").any()
    # The copy of the notebook apart from its run.
    alone = desk.book.parent / "sent.ipynb"
    alone.write_bytes((desk.run / "notebook.ipynb").read_bytes())
    assert [line for line in altered(verify_run(alone, approved=approved)) if "SHA-256" in line] == []


def test_a_secret_resolved_by_a_cell_that_has_printed_already_is_masked_from_then_on(desk: Desk) -> None:
    cell = """
print("first", book.secret("${env:WORD}"), flush=True)
time.sleep(0.5)
print("second", book.secret("${env:LATER}"), flush=True)
print("third", book.secret("${env:LATER}"), "end")
"""
    desk.save(OPEN, cell, STEP, CLOSE)
    desk.kernel.run(f"import time\nos.environ |= {{'WORD': {VALUE!r}, 'LATER': 'swordfish-2'}}")
    desk.begin()
    printed = desk.kernel.run(cell)
    assert printed == "first ${env:WORD}\nsecond ${env:LATER}\nthird ${env:LATER} end\n"
    desk.kernel.run(STEP)
    desk.kernel.run(CLOSE)
    desk.kernel.run("del os.environ['WORD'], os.environ['LATER']")
    assert having(desk.run) == having(desk.run, "swordfish-2") == []


def test_whoever_alters_such_a_run_is_still_found(desk: Desk) -> None:
    echo = f"book.step('Echo', Does(('echo', {VALUE!r})))"
    desk.save(OPEN, echo, LATE, CLOSE)
    desk.kernel.run(f"os.environ['WORD'] = {VALUE!r}")
    desk.begin(echo, LATE, CLOSE)
    desk.kernel.run("del os.environ['WORD']")
    copy = desk.run / "notebook.ipynb"
    copy.write_text(copy.read_text(encoding="utf-8").replace("${env:WORD}", "${env:OTHER}"), encoding="utf-8")
    assert any("step 1 host-a" in line for line in altered(verify_run(desk.run, approved=desk.book.parent)))


def test_a_secret_only_in_the_code_is_named_and_the_copy_is_not_altered(desk: Desk) -> None:
    cells = (OPEN, LATE, f"known = {VALUE!r}", STEP, CLOSE)
    desk.save(*cells)
    approved = desk.book.parent / "approved"
    approved.mkdir()
    (approved / desk.book.name).write_bytes(desk.book.read_bytes())
    desk.kernel.run(f"os.environ['WORD'] = {VALUE!r}")
    desk.begin(*cells[1:])
    desk.kernel.run("del os.environ['WORD']")
    assert having(desk.run) == []
    verdict = verify_run(desk.run, approved=approved)
    assert altered(verdict) == []
    assert warnings(verdict) == ["notebook.ipynb cell 6", str(desk.book)]
    other = (approved / desk.book.name).read_text(encoding="utf-8").replace("known = ", "other = ")
    (approved / desk.book.name).write_text(other, encoding="utf-8")
    assert altered(verify_run(desk.run, approved=approved)) != []


def test_facts_and_long_outputs_from_before_are_found_and_records_in_memory_are_masked(
    tmp_path: Path,
) -> None:
    file, long = tmp_path / "token", tmp_path / "long"
    file.write_text(VALUE, encoding="utf-8")
    long.write_text("x" * 10_000 + VALUE + "x" * 10_000, encoding="utf-8")
    book = Runbook.open(parameters(tmp_path))
    book.facts("Before", Content(str(file)), hosts="host-b")
    book.facts("Long", Content(str(long)), hosts="host-a")
    step = book.facts("It is a token", Token(str(file)), hosts="host-a")
    assert VALUE not in step.model_dump_json()
    assert not any("sésame" in one.model_dump_json() for one in book.record.steps)
    book.close()
    (entry,) = [line for line in entries(book.directory) if line["event"] == "secret_exposed"]
    assert entry["reference"] == "${shown:token}"
    (output,) = (book.directory / "output").iterdir()
    assert entry["places"] == [
        {"file": "journal.jsonl", "step": 1, "host": "host-b"},
        {"file": "journal.jsonl", "step": 2, "host": "host-a"},
        {"file": f"output/{output.name}", "step": 2, "host": "host-a"},
    ]
    assert altered(verify_run(book.directory, approved=tmp_path)) == []
    assert "sésame" not in judged_record(book.directory).model_dump_json()


def test_a_resumed_run_says_what_the_run_before_has_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Runbook.open(parameters(tmp_path))
    book.step(f"Echo {VALUE}", Does(("echo", VALUE)))
    with pytest.raises(StepFailed):
        book.step("Bad", Does(("false",)))
    first = book.directory
    monkeypatch.setenv("WORD", VALUE)
    again = Runbook.open(parameters(tmp_path, resume=str(first)))
    again.secret("${env:WORD}")
    again.step(f"Echo {VALUE}", Does(("true",)))
    with pytest.raises(StepFailed):
        again.step("Bad", Does(("false",)))
    assert having(again.directory) == []
    (entry,) = [line for line in entries(again.directory) if line["event"] == "secret_exposed"]
    assert [place["file"] for place in entry["places"]] == [str(first / "journal.jsonl")]
    assert entry["samples"] == []


def test_a_run_that_names_its_exposure_is_resumed_by_the_same_steps_and_not_with_such_a_parameter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORD", VALUE)
    book = Runbook.open(parameters(tmp_path))
    book.step(f"Echo {VALUE}", Does(("echo", VALUE)))
    book.secret("${env:WORD}")
    with pytest.raises(StepFailed):
        book.step("Bad", Does(("false",)))
    again = Runbook.open(parameters(tmp_path, resume=str(book.directory)))
    assert again.step(f"Echo {VALUE}", Does(("echo", VALUE))).title == f"Echo {VALUE}"
    with pytest.raises(InputError, match="the runbook has changed") as changed:
        again.step("Another", Does(("true",)))
    assert VALUE not in str(changed.value)
    monkeypatch.setenv("WORD", str(tmp_path / "runs"))
    book = Runbook.open(parameters(tmp_path))
    book.secret("${env:WORD}")
    with pytest.raises(StepFailed):
        book.step("Bad", Does(("false",)))
    with pytest.raises(InputError, match="a parameter has the value of a secret"):
        Runbook.open(parameters(tmp_path, resume=str(book.directory)))


def test_a_later_run_of_the_notebook_names_the_one_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORD", VALUE)
    book = Runbook.open(parameters(tmp_path))
    book.step("Echo", Does(("echo", VALUE)))
    book.close()
    first = book.directory
    book.secret("${env:WORD}")
    book.step("Fine", Does(("true",)))
    assert book.directory != first
    (entry,) = [line for line in entries(book.directory) if line["event"] == "secret_exposed"]
    assert [place["file"] for place in entry["places"]] == [str(first / "journal.jsonl")]


def test_a_secret_that_a_step_resolves_for_its_operation_leaves_the_interrupt_to_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORD", VALUE)
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    book.step("Echo", Does(("echo", VALUE)))

    def interrupted(_: object) -> Does:
        book.interrupt()
        return Does(("cat",), stdin=book.secret("${env:WORD}"))

    with pytest.raises(Interrupted):
        book.step("Use it", interrupted)
    (entry,) = [line for line in entries(book.directory) if line["event"] == "secret_exposed"]
    assert entry["places"][0] == {"file": "journal.jsonl", "step": 1, "host": "host-a"}


def test_a_secret_that_is_known_in_time_is_not_said_to_be_exposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORD", VALUE)
    book = Runbook.open(parameters(tmp_path))
    secret = book.secret("${env:WORD}")
    book.step("Use it", Does(("cat",), stdin=secret))
    book.close()
    assert "secret_exposed" not in {line["event"] for line in entries(book.directory)}
    assert judged_record(book.directory).exposed_secrets == ""


def test_a_parameter_that_is_the_number_of_a_late_secret_is_not_taken_for_an_altered_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIN", "5432")
    book = Runbook.open(parameters(tmp_path, hosts="host-a", lock_timeout=5432.0))
    book.secret("${env:PIN}")
    book.step("Echo", Does(("true",)))
    book.close()
    exposed = [entry["reference"] for entry in entries(book.directory) if entry["event"] == "secret_exposed"]
    assert exposed == ["${env:PIN}"]
    assert altered(verify_run(book.directory)) == []
