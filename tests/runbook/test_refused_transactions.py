"""What a transaction refuses: steps that cannot be rolled back, other hosts, a transaction inside another one."""

# ruff: noqa: PT012 - what a transaction raises, its whole block raises

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import InputError, ParameterError, StepFailed
from tests.runbook.practice import Does, Holds, parameters
from tests.runbook.transactions import (
    assert_never_green,
    fails_on,
    file_of,
    files,
    rollback_on,
    steps_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.operations.base import Operation


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        (Does(("true",)), "its plan has no rollback"),
        (Holds("/dev/null/x", "x", guarded=True), "only until it is confirmed"),
    ],
    ids=["command", "network change"],
)
@pytest.mark.parametrize("mode", ["apply", "plan"])
def test_a_step_that_cannot_be_rolled_back_is_refused_before_it_sends_anything(
    operation: Operation, why: str, mode: str, tmp_path: Path
) -> None:
    book = Runbook.open(parameters(tmp_path, mode=mode, hosts="host-a"))
    with pytest.raises(StepFailed, match=why), book.transaction("rotate"):
        book.step("One", file_of(tmp_path, "one"))
        book.step("Two", operation)
    (host,) = steps_of(book)["Two"].hosts
    assert "strict=False" in host.message
    assert {command.kind for command in host.commands} <= {"fact"}
    assert files(tmp_path) == {}


def test_what_cannot_be_rolled_back_is_named_where_the_transaction_is_not_strict(tmp_path: Path) -> None:
    (tmp_path / "host-a.network").write_text("old\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed), book.transaction("rotate", strict=False):
        book.step("One", file_of(tmp_path, "one"))
        book.step("Once", Does(("true",)))
        book.step("Network", file_of(tmp_path, "network", guarded=True))
        book.step("Prove", fails_on("host-a"))
    message = rollback_on(book).message
    assert "rolled back: step 1 'One'" in message
    assert (
        "not rolled back: step 2 'Once' (its plan has no rollback), step 3 'Network' (a change under commit-confirm"
        in message
    )
    assert files(tmp_path) == {"host-a.network": "new\n"}
    assert_never_green(book)


def test_a_step_must_not_change_another_host(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with (
        pytest.raises(StepFailed, match=r"not one of the hosts of the transaction 'rotate' \(host-a\)"),
        book.transaction("rotate", hosts="host-a"),
    ):
        book.step("One", file_of(tmp_path, "one"), hosts="all")
    assert files(tmp_path) == {}


def test_a_transaction_inside_another_one_is_refused(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with (
        pytest.raises(ParameterError, match="'inner' is inside the transaction 'rotate'"),
        book.transaction("rotate"),
    ):
        book.step("One", file_of(tmp_path, "one"))
        with book.transaction("inner"):
            book.step("Never", file_of(tmp_path, "two"))
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "why"), [(("",), "is not a name"), (("rotate", "db"), "unknown host or group 'db'")]
)
def test_a_wrong_argument_is_refused_before_a_host_is_touched(
    arguments: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    book = Runbook.open(parameters(tmp_path))
    name, hosts = (*arguments, None)[:2]
    with pytest.raises(InputError, match=why), book.transaction(str(name), hosts=hosts):
        raise AssertionError
    assert book.record.steps == []


def test_a_run_is_not_closed_inside_a_transaction(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(ParameterError, match="'rotate' is not finished"), book.transaction("rotate"):
        book.step("One", file_of(tmp_path, "one"))
        book.close()
    assert files(tmp_path) == {}
    assert_never_green(book)


def test_a_step_after_the_end_of_the_run_is_refused_inside_the_transaction(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with (
        pytest.raises(StepFailed, match="the run has ended inside the transaction 'rotate'"),
        book.transaction("rotate"),
    ):
        with pytest.raises(StepFailed, match="step 1 'Break'"):
            book.step("Break", fails_on("host-a"))
        book.step("Next", file_of(tmp_path, "one"))
    assert files(tmp_path) == {}
