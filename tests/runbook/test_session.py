"""Whole runs with real processes: what each mode does, and how a failure affects the rest."""

from __future__ import annotations

import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import (
    EvidenceError,
    InputError,
    InventoryError,
    ParameterError,
    SecretError,
    StepFailed,
)
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import Status
from tests.runbook.practice import Content, Does, Holds, Late, Malformed, Refuses, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.model.records import HostRecord, StepRecord


def statuses(step: StepRecord) -> list[str]:
    return [host.status.value for host in step.hosts]


def on_a(step: StepRecord) -> HostRecord:
    return next(host for host in step.hosts if host.host == "host-a")


def hello(place: Path, host: str) -> Holds:
    return Holds(str(place / host), f"hello from {host}\n")


def assert_journal_agrees(book: Runbook) -> None:
    record = read_journal(book.directory)
    assert record == book.record
    assert record.incomplete == ""


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


def fails_on(host: str, bad: str) -> Does:
    return Does(("sh", "-c", "echo it broke >&2; exit 3") if host == bad else ("true",))


def test_a_failure_has_one_hint_with_that_of_the_host(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed) as failed:
        book.step("Refuse", Refuses())
    journal = book.directory / "journal.jsonl"
    assert str(failed.value).splitlines() == [
        f"{book.record.run}: step 1 'Refuse' is failed on host-a: it would do harm",
        f"  hint: do something else; the journal is {journal}",
    ]


def test_a_failure_ends_the_run_at_once_and_hides_no_other_hosts_result(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(
        StepFailed, match=r"step 1 'Break' is failed on host-b.*exited with 3: it broke"
    ) as failed:
        book.step("Break", lambda host: fails_on(host.name, "host-b"))
    assert failed.value.exit_code == 1
    assert statuses(book.record.steps[0]) == ["changed", "failed"]
    assert book.record.status is Status.FAILED
    assert_journal_agrees(book)


def test_with_continue_a_failed_host_is_skipped_and_the_run_fails_at_its_end(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, on_failure="continue"))
    assert statuses(book.step("Break", lambda host: fails_on(host.name, "host-b"))) == ["changed", "failed"]
    step = book.step("Greet", lambda host: hello(tmp_path, host.name))
    assert statuses(step) == ["changed", "skipped"]
    assert "step 1 'Break' is failed" in step.hosts[1].message
    assert not (tmp_path / "host-b").exists()
    with pytest.raises(StepFailed, match="step 1 'Break' on host-b"):
        book.close()
    assert book.record.status is Status.FAILED
    assert_journal_agrees(book)


def test_with_continue_the_run_ends_once_no_host_is_left(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, on_failure="continue"))
    with pytest.raises(StepFailed):
        book.step("Break", fails_on("all", "all"))
    assert book.record.status is Status.FAILED


def test_a_change_whose_checks_do_not_hold_is_rolled_back_and_the_record_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed, match="the change was rolled back"):
        book.step("Write something else", Holds(str(tmp_path / "a"), "wanted", written="other"))
    (host,) = book.record.steps[0].hosts
    assert host.message == "content: expected wanted, observed other; the change was rolled back"
    assert [check.holds for check in host.checks] == [False]
    assert (tmp_path / "a").read_text(encoding="utf-8") == "before\n"
    assert [command.kind for command in host.commands][-2:] == ["rollback", "rollback"]


def test_a_rollback_that_fails_after_failed_checks_is_reported(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    wrong = Holds(str(tmp_path / "a"), "wanted", written="other", undo=("sh", "-c", "exit 6"))
    with pytest.raises(StepFailed, match="ROLLBACK FAILED: check the host now"):
        book.step("Write something else", wrong)
    assert (
        book.record.steps[0]
        .hosts[0]
        .message.startswith("content: expected wanted, observed other; ROLLBACK FAILED")
    )
    assert not (tmp_path / "a").exists()


def test_a_failed_change_is_rolled_back_and_the_message_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed, match="the change was rolled back"):
        book.step("Break", Holds(str(tmp_path / "a"), "after\n", then=("sh", "-c", "echo no >&2; exit 1")))
    assert (tmp_path / "a").read_text(encoding="utf-8") == "before\n"
    kinds = [command.kind for command in book.record.steps[0].hosts[0].commands]
    assert kinds == ["fact", "change", "change", "rollback", "rollback"]


def test_a_failed_rollback_command_is_reported_and_the_rest_is_still_sent(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    broken = Holds(str(tmp_path / "a"), "after\n", then=("sh", "-c", "exit 5"), undo=("sh", "-c", "exit 6"))
    with pytest.raises(StepFailed):
        book.step("Break", broken)
    message = book.record.steps[0].hosts[0].message
    assert "exited with 5" in message
    assert "exited with 6" in message
    assert "ROLLBACK FAILED: check the host now" in message
    assert (tmp_path / "a").read_text(encoding="utf-8") == "before\n"


@pytest.mark.parametrize(
    ("defect", "why"), [(True, "internal error in step: ZeroDivisionError"), (False, "it would do harm")]
)
def test_a_refused_or_defective_plan_changes_nothing_and_leaves_a_valid_journal(
    defect: bool,  # noqa: FBT001 - a case
    why: str,
    tmp_path: Path,
) -> None:
    book = Runbook.open(parameters(tmp_path, on_failure="continue"))
    step = book.step(
        "Refuse", lambda host: Refuses(defect=defect) if host.name == "host-b" else hello(tmp_path, "a")
    )
    assert statuses(step) == ["changed", "failed"]
    assert why in step.hosts[1].message
    assert step.hosts[1].commands == []
    with pytest.raises(StepFailed):
        book.close()
    assert_journal_agrees(book)


@pytest.mark.parametrize(
    "needed", [False, True], ids=["a check that does not hold yet", "a fact not there yet"]
)
def test_checks_may_take_as_long_as_the_operation_says(
    needed: bool,  # noqa: FBT001 - a case
    tmp_path: Path,
) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    host = on_a(book.step("Wait", Late(str(tmp_path / "late"), 1.0, settle_within=10.0, needed=needed)))
    assert (host.status, host.message) == (Status.CHANGED, "")
    assert host.attempt > 1
    assert {command.attempt for command in host.commands} == set(range(1, host.attempt + 1))
    book.close()


def test_checks_that_do_not_settle_in_time_are_a_failure(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed, match="late: expected there"):
        book.step("Wait", Late(str(tmp_path / "late"), 30.0, settle_within=1.0))


def test_a_guarded_change_is_confirmed_once_its_checks_hold(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    host = on_a(book.step("Change", Holds(str(tmp_path / "a"), "after\n", guarded=True)))
    assert host.status is Status.CHANGED
    kinds = [command.kind for command in host.commands]
    assert kinds == ["fact", "guard", "change", "change", "fact", "guard"]
    assert not (tmp_path / "a.kept").exists()
    book.close()


@pytest.mark.parametrize("bad", [{"written": "other\n"}, {"then": ("false",)}], ids=["check", "command"])
def test_a_guarded_change_that_fails_is_reverted_and_the_revert_is_checked(
    bad: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("before\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed, match="the change was rolled back"):
        book.step("Change", Holds(str(tmp_path / "a"), "after\n", guarded=True, **bad))  # type: ignore[arg-type]
    assert (tmp_path / "a").read_text(encoding="utf-8") == "before\n"
    checks = {check.name: check.holds for check in book.record.steps[0].hosts[0].checks}
    assert checks["the old state is restored"]


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


def test_a_command_that_takes_too_long_is_a_failure_with_its_output(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed, match=r"did not finish: still running after 0\.5 s"):
        book.step("Hang", Does(("sh", "-c", "echo begun; exec sleep 30"), timeout=0.5))
    command, ending = book.record.steps[0].hosts[0].commands
    assert ending.kind == "termination"
    assert "terminated on the host with TERM: sleep" in command.problem
    assert (command.exit_code, command.accepted, command.stdout.head) == (None, False, "begun\n")


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


def test_two_simultaneous_runs_have_separate_directories(tmp_path: Path) -> None:
    one, other = Runbook.open(parameters(tmp_path)), Runbook.open(parameters(tmp_path))
    assert one.directory != other.directory
    for book in (one, other):
        book.step("Nothing", Does(("true",)))
        book.close()
        assert_journal_agrees(book)


def test_a_run_directory_is_private_and_has_the_parameters_as_given(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    book.step("Flood", Does(("sh", "-c", "yes | head -c 100000")))
    book.close()
    assert [path for path in book.directory.rglob("*") if path.stat().st_mode & 0o077] == []
    assert book.directory.stat().st_mode & 0o077 == 0
    text = (book.directory / "parameters.yml").read_text(encoding="utf-8")
    assert f"inventory: {tmp_path / 'inventory.yml'}" in text


@pytest.mark.parametrize(
    ("given", "error", "why"),
    [
        ({"hosts": "host-c"}, InventoryError, "unknown host"),
        ({"inventory": "/nowhere/inventory.yml"}, InventoryError, "no such file"),
        ({"runs": "/proc/nowhere"}, EvidenceError, "cannot be made"),
    ],
)
def test_a_run_that_cannot_start_leaves_nothing(
    given: dict[str, str], error: type[InputError], why: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=why):
        Runbook.open(parameters(tmp_path, **given))
    assert not (tmp_path / "runs").exists()


def test_a_secret_without_a_value_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(
        "hosts:\n  host-a: {connection: local, sudo_password: '${env:RUNBOOK_TEST_NOT_SET}'}\n",
        encoding="utf-8",
    )
    with pytest.raises(SecretError, match="has no value"):
        Runbook.open(parameters(tmp_path))
    assert not (tmp_path / "runs").exists()


SECRET = "correct-horse/battery'staple"  # noqa: S105 - a made-up one


def test_no_byte_of_a_secret_is_in_a_run_directory_whoever_printed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", SECRET)
    place = tmp_path / "place"
    place.mkdir()
    (place / "inventory.yml").write_text(
        "hosts:\n  host-a: {connection: local, sudo_password: '${env:RUNBOOK_TEST_SECRET}'}\n",
        encoding="utf-8",
    )
    (tmp_path / "leak").write_text(f"password={SECRET}\n", encoding="utf-8")
    book = Runbook.open(parameters(place, on_failure="continue"))
    book.step("Print it", Does(("sh", "-c", 'env; printf %s "$RUNBOOK_TEST_SECRET" >&2')))
    book.step("Encoded", Does(("sh", "-c", 'printf "u:%s" "$RUNBOOK_TEST_SECRET" | base64')))
    book.step("Flood", Does(("sh", "-c", 'yes "$RUNBOOK_TEST_SECRET" | head -n 10000')))
    book.facts("As a fact", Content(str(tmp_path / "leak")))
    with pytest.raises(StepFailed):
        book.step(
            "As a change and a check", Holds(str(tmp_path / "leak"), f"new={SECRET}\n", written="other\n")
        )
    everything = b"".join(path.read_bytes() for path in book.directory.rglob("*") if path.is_file())
    assert b"correct-horse" not in everything
    assert b"staple" not in everything
    assert everything.count(b"${env:RUNBOOK_TEST_SECRET}") > 1000
    assert SECRET not in book.record.model_dump_json()
    assert_journal_agrees(book)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        assert "root" not in os.environ.get("RUNBOOK_REQUIRE", ""), "this machine is meant to let tests mount"
        pytest.skip("a small file system can only be mounted by root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_ends_the_run_with_a_valid_journal_that_claims_nothing(
    small_disk: Path, tmp_path: Path
) -> None:
    book = Runbook.open(parameters(tmp_path, runs=str(small_disk), hosts="host-a"))
    book.step("Greet", hello(tmp_path, "a"))
    with pytest.raises(EvidenceError, match="No space left") as refused:
        book.step("Flood", Does(("sh", "-c", "yes | head -c 500000")))
    assert refused.value.exit_code == 4
    record = read_journal(book.directory)
    assert record.status is Status.UNKNOWN
    assert record.incomplete == "the journal has no end-of-run line"
    assert read_lines((book.directory / "journal.jsonl").read_bytes()).problem == ""
    assert [step.status for step in record.steps] == [Status.CHANGED, Status.UNKNOWN]


def test_a_run_that_has_ended_stays_ended_and_a_further_step_starts_a_new_one(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    failed = book.directory
    waits_for = Does(("cat", str(tmp_path / "repaired")))
    with pytest.raises(StepFailed):
        book.step("Needs repair", waits_for)
    before = (failed / "journal.jsonl").read_bytes()
    with pytest.raises(StepFailed, match="is failed"):
        book.close()
    (tmp_path / "repaired").touch()
    assert statuses(book.step("Needs repair", waits_for)) == ["changed"]
    assert book.directory != failed
    assert book.close().status is Status.CHANGED
    assert_journal_agrees(book)
    assert (failed / "journal.jsonl").read_bytes() == before
    assert read_journal(failed).status is Status.FAILED


def test_closing_a_run_twice_ends_it_once(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    book.step("Fine", Does(("true",)))
    assert book.close() == book.close()
    entries = read_lines((book.directory / "journal.jsonl").read_bytes()).entries
    assert [entry["event"] for entry in entries].count("run_ended") == 1
