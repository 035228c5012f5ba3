"""What pyinfra's operations have changed is undone where the state before is known for certain, and only there."""

from __future__ import annotations

import io
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import PlanRefused, StepFailed
from runbook_lib.facts.base import Facts
from runbook_lib.integrations import pyinfra
from runbook_lib.integrations.pyinfra.recorded_host import FactNeeded
from runbook_lib.operations import file_commands
from tests.integrations.pyinfra.test_pyinfra_steps import step
from tests.runbook.practice import parameters
from tests.runbook.transactions import ROLLBACK, assert_never_green, fails_on, steps_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runbook_lib import Operation
    from runbook_lib.model.plans import Plan

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="former contents are kept where only root can read")


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Former contents are kept in a directory of the test, not in that of this machine."""
    place = tmp_path / "kept"
    monkeypatch.setattr(file_commands, "KEPT", str(place))
    return place


def failed_transaction(place: Path, *operations: Operation, strict: bool = True) -> Runbook:
    """Carry out operations in a transaction whose last check fails."""
    book = Runbook.open(parameters(place, hosts="host-a"))
    with pytest.raises(StepFailed), book.transaction("rotate", strict=strict):  # noqa: PT012 - as a user writes it
        for number, operation in enumerate(operations, start=1):
            book.step(f"Step {number}", operation)
        book.step("Prove", fails_on("host-a"))
    return book


def state_of(path: Path) -> tuple[str, int, str] | None:
    if not path.exists():
        return None
    return path.read_text(encoding="utf-8"), path.stat().st_mode & 0o7777, path.owner()


@pytest.mark.parametrize("former", [None, "old\n"])
@pytest.mark.parametrize(
    "make",
    [
        lambda path: pyinfra.files.put(src=io.StringIO("new\n"), dest=path, mode="600", user="nobody"),
        lambda path: pyinfra.files.template(src=io.StringIO("{{ host.name }}\n"), dest=path, mode="644"),
    ],
    ids=["put", "template"],
)
def test_a_transaction_restores_contents_owner_and_permissions_or_absence(
    tmp_path: Path, make: Callable[[str], Operation], former: str | None
) -> None:
    path = tmp_path / "file"
    if former:
        path.write_text(former, encoding="utf-8")
        path.chmod(0o640)
    before = state_of(path)
    book = failed_transaction(tmp_path, make(str(path)))
    assert steps_of(book)["Step 1"].status == "changed"
    undone = steps_of(book)[ROLLBACK].hosts[0]
    assert undone.message == "step 2 'Prove' is failed on host-a; rolled back: step 1 'Step 1'"
    assert [check.holds for check in undone.checks] == [True]
    assert state_of(path) == before
    assert_never_green(book)


def test_only_owner_and_permissions_were_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text\n", encoding="utf-8")
    path.chmod(0o640)
    before = state_of(path)
    failed_transaction(tmp_path, pyinfra.files.file(path=str(path), mode="600", user="nobody"))
    assert state_of(path) == before


def test_a_step_that_fails_restores_its_own_file_too(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old\n", encoding="utf-8")
    record = step(tmp_path, pyinfra.files.put(src=io.StringIO("new\n"), dest=str(path), user="no-such-user"))
    assert record.status == "failed"
    assert "the change was rolled back" in record.message
    assert path.read_text(encoding="utf-8") == "old\n"


def test_former_contents_are_kept_for_root_and_are_not_in_the_evidence(tmp_path: Path, kept: Path) -> None:
    path = tmp_path / "file"
    path.write_text("correct horse\n", encoding="utf-8")
    book = failed_transaction(tmp_path, pyinfra.files.put(src=io.StringIO("new\n"), dest=str(path)))
    assert [file.read_text(encoding="utf-8") for file in kept.iterdir()] == ["correct horse\n"]
    assert kept.stat().st_mode & 0o777 == 0o700
    evidence = b"".join(file.read_bytes() for file in book.directory.rglob("*") if file.is_file())
    assert b"correct horse" not in evidence


@pytest.mark.parametrize(
    "make",
    [
        lambda place: pyinfra.files.line(path=f"{place}/file", line="x"),
        lambda place: pyinfra.files.put(src=io.StringIO("x"), dest=f"{place}/new/directory/file"),
        lambda place: pyinfra.files.put(src=io.StringIO("x"), dest=f"{place}/link"),
        lambda place: pyinfra.files.put(src=io.StringIO("x"), dest=f"{place}/file", mtime="2020-01-01"),
        lambda place: pyinfra.files.put(src=io.StringIO("x"), dest=f"{place}/file", _sudo=False),
        lambda place: pyinfra.files.directory(path=f"{place}/new", mode="700"),
        lambda place: pyinfra.server.shell(f"chmod 600 {place}/file"),
    ],
)
def test_what_is_not_known_for_certain_is_refused_in_a_transaction(
    tmp_path: Path, make: Callable[[Path], Operation]
) -> None:
    (tmp_path / "file").write_text("old\n", encoding="utf-8")
    (tmp_path / "link").symlink_to("file")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed, match="has no rollback"), book.transaction("rotate"):
        book.step("One", make(tmp_path))
    assert (tmp_path / "file").read_text(encoding="utf-8") == "old\n"
    assert {command.kind for command in book.record.steps[0].hosts[0].commands} <= {"fact"}


def planned(operation: Operation, *answers: Any) -> Plan:  # noqa: ANN401 - the values of facts
    """Plan an operation whose facts have these values, in the order in which it asks for them."""
    known: dict[Any, Any] = {}
    given = iter(answers)
    while True:
        try:
            return operation.plan(Facts(known))
        except FactNeeded as needed:
            known[needed.fact] = next(given)


@pytest.mark.parametrize(
    ("arguments", "states", "undo"),
    [
        ({"enabled": True}, (False, False), ["systemctl disable x.service", "systemctl stop x.service"]),
        ({"enabled": True}, (True, False), ["systemctl disable x.service"]),
        (
            {"running": False, "enabled": False},
            (True, True),
            ["systemctl enable x.service", "systemctl start x.service"],
        ),
        ({}, (False, True), ["systemctl stop x.service"]),
        ({"restarted": True}, (True, True), []),
        ({"reloaded": True, "enabled": True}, (True, False), []),
        ({"daemon_reload": True}, (False, False), []),
    ],
)
def test_a_service_gets_its_former_state_unless_it_is_restarted_or_reloaded(
    arguments: dict[str, Any],
    states: tuple[bool, bool],
    undo: list[str],
) -> None:
    operation = pyinfra.systemd.service("x", **arguments)
    plan = planned(operation, *({"x.service": state} for state in states))
    assert plan.commands
    assert [command.argv[-1].partition("exit 0; ")[2] for command in plan.rollback] == undo
    assert all(command.sudo for command in plan.rollback)


@pytest.mark.parametrize(
    ("systemctl", "code", "stopped"),
    [
        ("echo LoadState=loaded", 0, True),
        ("echo LoadState=not-found", 0, False),
        ("echo 'Failed to connect to bus' >&2; exit 1", 1, False),
    ],
    ids=["loaded", "no such unit", "no answer"],
)
def test_a_service_is_undone_unless_systemd_says_that_there_is_none(
    tmp_path: Path, systemctl: str, code: int, stopped: bool  # noqa: FBT001 - a case's value
) -> None:  # fmt: skip
    program = tmp_path / "systemctl"
    program.write_text(
        f'#!/bin/sh\ncase $1 in show) {systemctl} ;; stop) echo "$*" ;; *) exit 2 ;; esac\n', encoding="utf-8"
    )
    program.chmod(0o755)
    (undo,) = planned(pyinfra.systemd.service("x"), {"x.service": False}).rollback
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(undo.argv, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (code, "stop x.service\n" if stopped else "")


def test_an_operation_that_has_nothing_to_do_has_nothing_to_undo() -> None:
    plan = planned(pyinfra.systemd.service("x"), {"x.service": True})
    assert (plan.commands, plan.rollback) == ((), ())
    with pytest.raises(PlanRefused):
        planned(pyinfra.files.put(src="no such file", dest="/x"))
