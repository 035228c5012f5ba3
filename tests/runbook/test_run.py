"""Whole runs with real processes: what each mode does, and what is recorded."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import (
    InventoryError,
    ParameterError,
    StepFailed,
)
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import Status
from tests.runbook.practice import (
    Content,
    Does,
    Malformed,
    Refuses,
    assert_journal_agrees,
    hello,
    on_a,
    parameters,
    statuses,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_the_first_run_changes_the_second_is_ok_and_the_journal_agrees(tmp_path: Path) -> None:
    for expected in ("changed", "ok"):
        book = Runbook.open(parameters(tmp_path))
        step = book.step("Greet", lambda host: hello(tmp_path, host.name))
        assert statuses(step) == [expected, expected]
        assert book.close().status == expected
        assert_journal_agrees(book)
    assert (tmp_path / "host-b").read_text(encoding="utf-8") == "hello from host-b\n"


def test_a_record_holds_what_was_sent_and_what_came_back(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    host = on_a(book.step("Greet", hello(tmp_path, "a")))
    book.close()
    before, write, _, after = host.commands
    assert [command.kind for command in host.commands] == ["fact", "change", "change", "fact"]
    assert (before.exit_code, before.accepted) == (1, True)
    assert (write.text, write.stdin, write.purpose) == (
        f"tee {tmp_path / 'a'}",
        "hello from a\n",
        "write the file",
    )
    assert (write.stdout.head, write.stdout.complete) == ("hello from a\n", True)
    assert after.stdout.sha256 == hashlib.sha256(b"hello from a\n").hexdigest()
    assert write.ended
    assert before.started <= write.started <= write.ended <= after.started
    assert [(check.expected, check.observed) for check in host.checks] == [
        ("hello from a\n", "hello from a\n")
    ]
    assert [(change.before, change.after) for change in host.changes] == [(None, "hello from a\n")]
    assert host.facts == {f"Content({tmp_path / 'a'})": "hello from a\n"}


def test_mode_plan_shows_the_commands_and_sends_none(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, mode="plan"))
    step = book.step("Greet", lambda host: hello(tmp_path, host.name))
    assert statuses(step) == ["planned", "planned"]
    assert not (tmp_path / "host-a").exists()
    planned = [command for command in on_a(step).commands if command.kind == "change"]
    assert planned[0].text == f"tee {tmp_path / 'host-a'}"
    assert all(command.problem == "planned, not sent" and command.exit_code is None for command in planned)
    assert book.close().status is Status.PLANNED
    assert_journal_agrees(book)


def test_mode_plan_reports_ok_if_there_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "host-a").write_text("hello from host-a\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, mode="plan"))
    assert statuses(book.step("Greet", lambda host: hello(tmp_path, host.name))) == ["ok", "planned"]
    assert book.close().status is Status.PLANNED


def test_mode_plan_does_not_fail_for_what_earlier_steps_would_provide(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, mode="plan"))
    book.step("Greet", lambda host: hello(tmp_path, host.name))
    step = book.step("Needs the greeting", Refuses())
    assert statuses(step) == ["skipped", "skipped"]
    assert "it would do harm" in on_a(step).message
    assert book.close().status is Status.PLANNED


def test_mode_plan_fails_for_what_no_earlier_step_would_fix(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, mode="plan"))
    with pytest.raises(StepFailed, match="it would do harm"):
        book.step("Refuse", Refuses())


def test_mode_validate_is_read_only(tmp_path: Path) -> None:
    (tmp_path / "host-a").write_text("hello from host-a\n", encoding="utf-8")
    (tmp_path / "host-b").write_text("something else\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, mode="validate", on_failure="continue"))
    step = book.step("Greet", lambda host: hello(tmp_path, host.name))
    assert statuses(step) == ["ok", "failed"]
    again = book.step("Read on after a failed check", lambda host: hello(tmp_path, host.name))
    assert statuses(again) == ["ok", "failed"]
    free = book.shell("all", f"touch {tmp_path / 'never'}")
    assert statuses(free) == ["skipped", "skipped"]
    with pytest.raises(StepFailed):
        book.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["host-a", "host-b", "inventory.yml", "runs"]
    assert (tmp_path / "host-b").read_text(encoding="utf-8") == "something else\n"
    assert_journal_agrees(book)


def test_hosts_of_a_step_are_worked_on_in_parallel(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    first, second = book.step("Wait", Does(("sleep", "1"))).hosts
    one, other = first.commands[0], second.commands[0]
    assert one.ended
    assert other.ended
    assert one.started < other.ended
    assert other.started < one.ended
    book.close()


def test_a_large_output_is_stored_completely_and_bounded_in_the_record(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    host = on_a(book.step("Flood", Does(("sh", "-c", "yes 0123456789abcde | head -c 10485760"))))
    book.close()
    stream = host.commands[0].stdout
    assert (stream.size, stream.complete) == (10_485_760, False)
    assert len(stream.head) + len(stream.tail) < 10_000
    whole = (book.directory / "output" / stream.sha256).read_bytes()
    assert whole == b"0123456789abcde\n" * 655_360
    assert hashlib.sha256(whole).hexdigest() == stream.sha256
    assert (book.directory / "journal.jsonl").stat().st_size < 50_000
    assert_journal_agrees(book)


def test_bytes_that_are_not_text_do_not_break_the_record(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    step = book.step(
        "Shout", Does(("sh", "-c", r"printf 'a\377b\000c\033[31m'; head -c 20000 /dev/urandom >&2"))
    )
    command = on_a(step).commands[0]
    assert command.stdout.head == "a\ufffdb\0c\x1b[31m"
    assert (book.directory / "output" / command.stderr.sha256).exists()
    book.close()
    assert_journal_agrees(book)


def test_a_step_may_be_for_some_hosts_only(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    step = book.step("Greet", lambda host: hello(tmp_path, host.name), hosts="host-b")
    assert [host.host for host in step.hosts] == ["host-b"]
    with pytest.raises(InventoryError, match="unknown host or group 'host-c'"):
        book.step("Greet", hello(tmp_path, "c"), hosts="host-c")
    assert book.close().status is Status.CHANGED
    only_a = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(ParameterError, match="'host-b' is not one of this run's hosts"):
        only_a.step("Greet", hello(tmp_path, "b"), hosts="host-b")
    only_a.step("Greet", hello(tmp_path, "host-a"))
    only_a.close()


def test_facts_that_cannot_be_read_do_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed):
        book.facts("Everything", Malformed("x"), Content(str(tmp_path / "a")), Malformed("y"))
    (host,) = book.record.steps[0].hosts
    assert host.facts[f"Content({tmp_path / 'a'})"] == "text\n"
    assert host.status is Status.FAILED
    assert "Malformed(x): no number" in host.message
    assert "Malformed(y): no number" in host.message


def test_facts_are_read_and_nothing_is_changed_in_any_mode(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x", encoding="utf-8")
    for mode in ("plan", "apply", "validate"):
        book = Runbook.open(parameters(tmp_path, mode=mode))
        step = book.facts("Look", Content(str(tmp_path / "a")), Content(str(tmp_path / "b")))
        assert statuses(step) == ["ok", "ok"]
        assert on_a(step).facts == {f"Content({tmp_path / 'a'})": "x", f"Content({tmp_path / 'b'})": None}
        assert book.close().status is Status.OK
        assert_journal_agrees(book)


def test_a_run_without_steps_is_not_a_success(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(StepFailed):
        book.close()
    assert read_journal(book.directory).status is Status.UNKNOWN
