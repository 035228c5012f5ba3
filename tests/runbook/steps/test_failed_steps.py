"""Steps that fail, with real processes: how a failure affects the rest, and what is rolled back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook, errors
from runbook_lib.errors import (
    StepFailed,
)
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import Status
from tests.deadlines import deadline
from tests.runbook.practice import (
    Does,
    Holds,
    Late,
    Refuses,
    assert_journal_agrees,
    hello,
    on_a,
    parameters,
    statuses,
)

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.facts.base import Facts
    from runbook_lib.model.plans import Plan


# Errors that end a step in another way than their exit code says, and why.
OTHER_STATUS: dict[type[errors.RunbookError], tuple[Status, str]] = {
    errors.InputError: (Status.FAILED, "a host was touched by then, which exit code 2 denies"),
    errors.NotApplicable: (Status.SKIPPED, "the step is for other hosts, and has not failed"),
}


@dataclass(frozen=True)
class Raises(Does):
    """An error ends the step while it is planned; in mode `plan`, so that `NotYet` is not waited for."""

    argv: tuple[str, ...] = ("true",)
    kind: type[errors.RunbookError] = errors.OperationError

    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - whatever they are
        if issubclass(self.kind, errors.NotYet):
            raise self.kind("tried", within=0.0)
        raise self.kind("tried")


@pytest.mark.parametrize("name", sorted(errors.__all__))
def test_a_run_exits_with_the_code_of_the_error_that_a_step_raised(tmp_path: Path, name: str) -> None:
    kind = getattr(errors, name)
    book = Runbook.open(parameters(tmp_path, hosts="host-a", mode="plan", on_failure="continue"))
    with suppress(errors.RunbookError):
        book.step("Raise", Raises(kind=kind))
        book.close()
    other = next((status for base, (status, _) in OTHER_STATUS.items() if issubclass(kind, base)), None)
    code = read_journal(book.directory).status.exit_code
    assert code == (other.exit_code if other else kind.exit_code), "see HostStep.run"


def fails_on(host: str, bad: str) -> Does:
    return Does(("sh", "-c", "echo it broke >&2; exit 3") if host == bad else ("true",))


def test_a_failure_has_one_hint_with_that_of_the_host(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed) as failed:
        book.step("Refuse", Refuses())
    report = book.directory / "report.html"
    assert str(failed.value).splitlines() == [
        f"{book.record.run}: step 1 'Refuse' is failed on host-a: it would do harm",
        f"  hint: do something else; the report is {report}",
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
    caplog: pytest.LogCaptureFixture,
) -> None:
    book = Runbook.open(parameters(tmp_path, on_failure="continue"))
    step = book.step(
        "Refuse", lambda host: Refuses(defect=defect) if host.name == "host-b" else hello(tmp_path, "a")
    )
    assert statuses(step) == ["changed", "failed"]
    assert why in step.hosts[1].message
    logged = [entry for entry in caplog.records if entry.levelname == "ERROR"]
    assert [entry.exc_info is not None for entry in logged] == [
        True
    ] * defect  # a traceback only of our own defects
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
    late = Late(str(tmp_path / "late"), settle_within=deadline(60), needed=needed)
    host = on_a(book.step("Wait", late))
    assert (host.status, host.message) == (Status.CHANGED, "")
    assert host.attempt > 1
    assert {command.attempt for command in host.commands} == set(range(1, host.attempt + 1))
    book.close()


def test_checks_that_do_not_settle_in_time_are_a_failure(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed, match="late: expected there"):
        book.step("Wait", Late(str(tmp_path / "late"), settle_within=1.0, comes=False))


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


def test_a_command_that_takes_too_long_is_a_failure_with_its_output(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    seconds = deadline(2)
    with pytest.raises(StepFailed, match=f"did not finish: still running after {seconds:g} s"):
        book.step("Hang", Does(("sh", "-c", "echo begun; exec sleep 600"), timeout=seconds))
    command, ending = book.record.steps[0].hosts[0].commands
    assert ending.kind == "termination"
    assert "terminated on the host with TERM: sleep" in command.problem
    assert (command.exit_code, command.accepted, command.stdout.head) == (None, False, "begun\n")
