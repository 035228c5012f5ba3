"""Steps that belong together: where a later one fails, the changes of the earlier ones are rolled back."""

# ruff: noqa: PT012 - what a transaction raises, its whole block raises

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import Interrupted, StepFailed
from runbook_lib.model.status import Status
from runbook_lib.operations import ports
from tests.runbook.practice import Content, Does, Holds, parameters
from tests.runbook.rollouts import interrupt_when, rolling
from tests.runbook.transactions import (
    ROLLBACK,
    Logs,
    Reloads,
    Stuck,
    assert_never_green,
    ends_of,
    fails_on,
    file_of,
    files,
    rollback_on,
    steps_of,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_failed_host_is_rolled_back_in_reverse_and_the_other_one_keeps_its_change(tmp_path: Path) -> None:
    (tmp_path / "host-b.one").write_text("old\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(StepFailed, match="step 3 'Prove' is failed on host-b"), book.transaction("rotate"):
        book.step("One", file_of(tmp_path, "one"))
        book.step("Two", file_of(tmp_path, "two"))
        book.step("Prove", fails_on("host-b"))
        book.step("Three", file_of(tmp_path, "three"))
    assert files(tmp_path) == {
        "host-a.one": "new\n", "host-a.two": "new\n", "host-a.three": "new\n", "host-b.one": "old\n",
    }  # fmt: skip
    rolled_back = steps_of(book)[ROLLBACK]
    assert (rolled_back.number, rolled_back.kind, len(rolled_back.hosts)) == (4, "rollback", 1)
    host = rollback_on(book, "host-b")
    assert host.status is Status.FAILED
    assert host.message == "step 3 'Prove' is failed on host-b; rolled back: step 2 'Two', step 1 'One'"
    assert host.undoes == [1, 2]
    assert [(check.name, check.holds) for check in host.checks] == [
        ("step 2 'Two'", True),
        ("step 1 'One'", True),
    ]
    assert {command.kind for command in host.commands} == {"rollback", "fact"}
    assert [(change.before, change.after) for change in host.changes] == [("new\n", None), ("new\n", "old\n")]
    assert {one.host: one.status.value for one in steps_of(book)["Three"].hosts} == {
        "host-a": "changed", "host-b": "skipped",
    }  # fmt: skip
    (end,) = ends_of(book)
    assert (end["completed"], end["rolled_back"]) == (["host-a"], ["host-b"])
    assert book.record.status is Status.FAILED
    assert_never_green(book)


def test_all_or_nothing_rolls_back_the_hosts_that_succeeded_too(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with (
        pytest.raises(StepFailed, match="step 2 'Prove' is failed"),
        book.transaction("rotate", all_or_nothing=True),
    ):
        book.step("One", file_of(tmp_path, "one"))
        book.step("Prove", fails_on("host-b"))
    assert files(tmp_path) == {}
    assert "step 2 'Prove' is failed on host-b; rolled back: step 1 'One'" in rollback_on(book).message
    assert ends_of(book)[0]["completed"] == []
    assert_never_green(book)


def test_a_rollback_names_the_failure_of_its_own_host(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(StepFailed), book.transaction("rotate"):
        book.step("One", file_of(tmp_path, "one"))
        book.step("Prove", fails_on("host-a", "host-b"))
    for name in ("host-a", "host-b"):
        assert rollback_on(book, name).message.startswith(
            f"step 2 'Prove' is failed on {name}; rolled back: "
        )


@pytest.mark.parametrize("by", ["a check of testinfra", "a question from this machine"])
def test_a_check_that_fails_rolls_back_too(by: str, tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed), book.transaction("rotate"):
        book.step("One", file_of(tmp_path, "one"))
        if by.startswith("a check"):
            book.check("Proved", lambda host: host.file(f"{tmp_path}/host-a.two").exists)
        else:
            with socket.socket() as closed:
                closed.bind(("127.0.0.1", 0))  # a port that nobody listens on
                book.step("Proved", ports.answer(closed.getsockname()[1], "127.0.0.1", wait=0))
    assert files(tmp_path) == {}
    assert rollback_on(book).message == "step 2 'Proved' is failed on host-a; rolled back: step 1 'One'"
    assert_never_green(book)


def test_a_transaction_that_succeeds_keeps_everything_and_adds_no_step(tmp_path: Path) -> None:
    for expected in ("changed", "ok"):
        book = Runbook.open(parameters(tmp_path))
        with book.transaction("rotate", hosts="host-a"):
            step = book.step("One", file_of(tmp_path, "one"))
        assert [host.host for host in step.hosts] == [
            "host-a"
        ]  # the transaction's hosts, unless others are named
        assert book.close().status == expected
        assert [one.title for one in book.record.steps] == ["One"]
        assert ends_of(book)[0]["completed"] == ["host-a"]


def test_with_continue_the_run_goes_on_without_the_host_that_was_rolled_back(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, on_failure="continue"))
    with book.transaction("rotate"):
        book.step("One", file_of(tmp_path, "one"))
        book.step("Prove", fails_on("host-b"))
    after = book.step("After", file_of(tmp_path, "after"))
    assert [host.status.value for host in after.hosts] == ["changed", "skipped"]
    with pytest.raises(StepFailed):
        book.close()
    assert sorted(files(tmp_path)) == ["host-a.after", "host-a.one"]
    assert_never_green(book)


def test_commands_for_the_end_of_the_rollback_follow_when_everything_is_restored(tmp_path: Path) -> None:
    log = tmp_path / "log"
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed), book.transaction("rotate"):
        book.step("One", Logs(str(tmp_path / "one"), "new\n", log=str(log)))
        book.step("Two", Logs(str(tmp_path / "two"), "new\n", log=str(log)))
        book.step("Prove", fails_on("host-a"))
    assert log.read_text().splitlines() == ["undo two", "undo one", "reload one", "reload two"]


def test_a_service_takes_up_the_restored_file_also_if_its_reload_was_the_step_that_failed(
    tmp_path: Path,
) -> None:
    site = tmp_path / "site"
    site.write_text("old\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed), book.transaction("rotate"):
        book.step("Put", Holds(str(site), "new\n"))
        book.step("Reload", Reloads(str(site), ""))
        book.step("Prove", fails_on("host-a"))
    assert (tmp_path / "site.loaded").read_text() == site.read_text() == "old\n"


@pytest.mark.parametrize("on_failure", ["stop", "continue"])
def test_an_exception_of_the_notebook_rolls_back_every_host(on_failure: str, tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, on_failure=on_failure))
    with pytest.raises(ZeroDivisionError), book.transaction("rotate"):
        book.step("One", file_of(tmp_path, "one"))
        _ = 1 / 0
    assert files(tmp_path) == {}
    for name in ("host-a", "host-b"):
        message = rollback_on(book, name).message
        assert message == "the notebook raised ZeroDivisionError: division by zero; rolled back: step 1 'One'"
    assert book.record.ended  # no host is left
    with pytest.raises(StepFailed):
        book.close()
    assert_never_green(book)


def test_an_exception_before_any_change_is_no_success_either(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(ZeroDivisionError), book.transaction("rotate"):
        book.step("Read", fails_on())
        _ = 1 / 0
    assert rollback_on(book).message.endswith("nothing to roll back")
    assert_never_green(book)


def test_ctrl_c_in_a_step_rolls_back_every_host(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    watcher = interrupt_when(book, "command_started", lambda entry: entry["text"] == "sleep 600")
    with pytest.raises(Interrupted), book.transaction("rotate", strict=False):
        book.step("One", file_of(tmp_path, "one"))
        book.step("Wait", lambda host: Does(("sleep", "600" if host.name == "host-a" else "0")))
    watcher.join()
    assert files(tmp_path) == {}
    host = rollback_on(book)
    assert "the run was interrupted in step 2 'Wait'; rolled back: step 1 'One'" in host.message
    assert "not rolled back: step 2 'Wait' (its plan has no rollback)" in host.message
    assert book.record.status is Status.INTERRUPTED
    assert_never_green(book)


def test_ctrl_c_between_two_steps_rolls_back_and_ends_the_run(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(KeyboardInterrupt), book.transaction("rotate"):
        book.step("One", file_of(tmp_path, "one"))
        signal.raise_signal(signal.SIGINT)
    assert files(tmp_path) == {}
    assert rollback_on(book).status is Status.INTERRUPTED
    assert book.record.status is Status.INTERRUPTED
    assert_never_green(book)


def test_a_rollback_that_fails_is_loud_and_the_others_are_still_carried_out(tmp_path: Path) -> None:
    broken = ("sh", "-c", "exit 6")
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(StepFailed), book.transaction("rotate", all_or_nothing=True):
        book.step("One", file_of(tmp_path, "one"))
        undo = {"host-a": broken}
        book.step(
            "Two",
            lambda host: Holds(
                str(tmp_path / f"{host.name}.two"), "new\n", undo=undo.get(host.name, ("true",))
            ),
        )
        book.step("Prove", fails_on("host-b"))
    assert files(tmp_path) == {}
    host = rollback_on(book)
    assert host.status is Status.FAILED
    assert "ROLLBACK FAILED: check the host now: step 2 'Two': " in host.message
    assert "exited with 6" in host.message
    assert "rolled back: step 2 'Two', step 1 'One'" in rollback_on(book, "host-b").message
    assert_never_green(book)


def test_a_rollback_that_restores_nothing_is_found(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed), book.transaction("rotate"):
        book.step("One", Stuck(str(tmp_path / "one"), "new\n"))
        book.step("Prove", fails_on("host-a"))
    host = rollback_on(book)
    assert "NOT ROLLED BACK: check the host now: step 1 'One'" in host.message
    assert [(check.holds, check.id) for check in host.checks] == [(False, "transaction.restored")]


def test_mode_plan_shows_the_rollback_and_sends_nothing(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, mode="plan", hosts="host-a"))
    with book.transaction("rotate", strict=False):
        book.step("One", file_of(tmp_path, "one"))
        book.step("Once", Does(("true",)))
    assert book.close().status is Status.PLANNED
    one, once = (step.hosts[0].message for step in book.record.steps)
    assert one == f"would be rolled back by the transaction 'rotate' with `true`; `rm {tmp_path}/host-a.one`"
    assert once == "would not be rolled back by the transaction 'rotate': its plan has no rollback"
    assert files(tmp_path) == {}


def test_mode_plan_does_not_fail_for_what_an_earlier_step_would_set_up(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, mode="plan", hosts="host-a"))
    book.step("Install", file_of(tmp_path, "one"))
    reload = book.step("Reload", fails_on("host-a"))  # as a reload for which nothing has changed yet
    assert book.close().status is Status.PLANNED
    assert reload.hosts[0].message == "cannot be known before the steps planned above are applied"


def test_mode_validate_checks_and_rolls_nothing_back(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, mode="validate", on_failure="continue"))
    with book.transaction("rotate"):
        book.step("One", file_of(tmp_path, "one"))
        book.step("Prove", fails_on())
    with pytest.raises(StepFailed):
        book.close()
    assert ROLLBACK not in steps_of(book)


def test_a_resumed_run_does_again_what_was_rolled_back(tmp_path: Path) -> None:
    def rotate(book: Runbook, *bad: str) -> None:
        book.step("Before", file_of(tmp_path, "before"))
        with book.transaction("rotate", strict=False):
            book.step("One", file_of(tmp_path, "one"))
            book.step("Once", Does(("true",)))
            book.step("Prove", fails_on(*bad))
        book.step("After", file_of(tmp_path, "after"))
        book.close()

    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed):
        rotate(book, "host-a")
    again = Runbook.open(parameters(tmp_path, hosts="host-a", resume=str(book.directory)))
    rotate(again)
    outcomes = {
        step.title: (step.hosts[0].status.value, bool(step.hosts[0].proven)) for step in again.record.steps
    }
    assert outcomes == {
        "Before": ("ok", True),
        "One": ("changed", False),
        "Once": ("skipped", True),  # it was not rolled back, so it is still done
        "Prove": ("ok", False),
        "After": ("changed", False),
    }


def test_a_step_for_another_host_may_read_and_its_failure_rolls_back_the_transaction(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(StepFailed), book.transaction("rotate", hosts="host-a"):
        book.step("One", file_of(tmp_path, "one"))
        book.facts("Read elsewhere", Content("/dev/null"), hosts="host-b")
        book.step("Prove from there", fails_on("host-b"), hosts="host-b")
    assert files(tmp_path) == {}
    assert (
        "step 3 'Prove from there' is failed on host-b; rolled back: step 1 'One'"
        in rollback_on(book).message
    )


def test_serial_and_transaction_leave_no_host_half_way(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(StepFailed), book.transaction("rotate"):
        book.step("One", file_of(tmp_path, "one"))
        book.step(
            "Two", lambda host: Holds("/dev/null/x" if host.name == "host-a" else "/never", "x"), serial=1
        )
    assert [host.status.value for host in steps_of(book)["Two"].hosts] == ["failed", "skipped"]
    assert files(tmp_path) == {}
    assert_never_green(book)


def test_in_a_loop_over_batches_only_the_failed_batch_is_rolled_back(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path))

    def rotate() -> None:
        for batch in book.batches():
            with book.transaction("rotate", hosts=batch):
                book.step("One", file_of(tmp_path, "one"))
                book.step("Prove", fails_on("web-2"))

    with pytest.raises(StepFailed, match="step 4 'Prove' is failed on web-2"):
        rotate()
    assert [path.name for path in tmp_path.glob("web-*")] == ["web-1.one"]
    assert [step.title for step in book.record.steps][-2:] == [ROLLBACK, "Hosts not attempted"]
    assert_never_green(book)


def test_a_transaction_after_the_end_of_a_run_starts_another_run(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    book.step("Read", fails_on())
    first = book.close().run
    with book.transaction("rotate"):
        book.step("One", file_of(tmp_path, "one"))
    assert book.close().run != first
