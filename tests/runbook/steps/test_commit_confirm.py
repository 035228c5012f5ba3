"""How a step arms, confirms and cleans up a guarded change, and what it says where one of these fails."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib import Runbook
from runbook_lib.errors import FactError, StepFailed
from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output
from runbook_lib.model.plans import Check, NetworkGuard, Plan
from runbook_lib.model.status import Status
from runbook_lib.operations.base import Operation
from tests.runbook.practice import Content, parameters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.facts.base import Facts
    from runbook_lib.model.records import HostRecord

NOTHING = ("true",)
FAILS = ("false",)


@dataclass(frozen=True)
class Guarded(Operation):
    """A file is there. Each part of its guard is one command."""

    path: str
    arm: tuple[tuple[str, ...], ...] = (NOTHING, NOTHING)
    confirm: tuple[tuple[str, ...], ...] = (NOTHING,)
    clean_up: tuple[tuple[str, ...], ...] = (NOTHING,)
    takes: float = 0.0

    def facts(self) -> Sequence[Fact[Any]]:
        return (Content(self.path),)

    def plan(self, facts: Facts) -> Plan:
        if facts[Content(self.path)] is not None:
            return Plan()
        return Plan(
            commands=(Command(("touch", self.path)), Command(("sleep", str(self.takes)))),
            guard=NetworkGuard(
                arm=tuple(map(Command, self.arm)),
                confirm=tuple(map(Command, self.confirm)),
                revert=(Command(("rm", self.path)),),
                timeout=2.0,
                clean_up=tuple(map(Command, self.clean_up)),
            ),
        )

    def verify(self, facts: Facts) -> list[Check]:
        return [Check.equal("the file", "", facts[Content(self.path)])]


@dataclass(frozen=True)
class Flawed(Guarded):
    """An error in the checks, or in what is read after the revert.

    Args:
        when: `check`: in the checks; `read`: whenever facts are read after the change; `late`: only once, after the
            revert.
    """

    when: str = "check"

    def facts(self) -> Sequence[Fact[Any]]:
        return (*super().facts(), Flaw(self.path, self.when))

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - never gets that far
        raise ZeroDivisionError("a defect")


@dataclass(frozen=True)
class Unsettled(Guarded):
    """Its check never holds, and when it is tried again, the facts cannot be read."""

    def facts(self) -> Sequence[Fact[Any]]:
        return (*super().facts(), SecondReading(self.path))

    def verify(self, facts: Facts) -> list[Check]:
        return [Check.equal("the file", "there", facts[Content(self.path)])]

    @property
    def settle(self) -> float:
        return 60.0


@dataclass(frozen=True)
class SecondReading(Fact[str]):
    """Fails whenever it is read once more while the file is there."""

    path: str

    def request(self) -> Command:
        script = 'test -e "$1" || exit 0; test ! -e "$1.seen" || echo malformed; touch "$1.seen"'
        return Command(("sh", "-c", script, "sh", self.path))

    def parse(self, output: Output) -> str:
        if output.stdout:
            raise FactError(f"malformed: {output.stdout!r}")
        return ""


@dataclass(frozen=True)
class Flaw(Fact[str]):
    """Says something else than expected, or fails."""

    path: str
    when: str

    def request(self) -> Command:
        script = 'test -e "$1" && touch "$1.seen"; test -e "$1" || test ! -e "$1.seen" || {\n'
        once = 'test -e "$1.twice" || { touch "$1.twice"; exit 9; }; }'
        always = "echo malformed; }"
        return Command(
            ("sh", "-c", script + {"check": ":; }", "read": always, "late": once}[self.when], "sh", self.path)
        )

    def parse(self, output: Output) -> str:
        return {"": "as it should be"}[output.stdout]


def carry_out(
    tmp_path: Path,
    *,
    mode: str = "apply",
    kind: type[Guarded] = Guarded,
    **guard: Any,  # noqa: ANN401 - as above
) -> HostRecord:
    book = Runbook.open(parameters(tmp_path, hosts="host-a", on_failure="continue", mode=mode))
    with contextlib.suppress(StepFailed):
        book.step("Change", kind(str(tmp_path / "file"), **guard))
        book.close()
    return book.record.steps[0].hosts[0]


def sent(host: HostRecord) -> list[str]:
    return [command.text for command in host.commands if command.kind != "fact"]


def test_what_arming_has_left_is_removed_after_the_confirmation(tmp_path: Path) -> None:
    host = carry_out(tmp_path, confirm=(("echo", "confirm"),), clean_up=(("echo", "clean"),))
    assert (host.status, host.message) == (Status.CHANGED, "")
    assert sent(host)[-2:] == ["echo confirm", "echo clean"]


def test_a_plan_shows_the_clean_up_as_well(tmp_path: Path) -> None:
    host = carry_out(tmp_path, mode="plan", clean_up=(("echo", "clean"),))
    assert host.status is Status.PLANNED
    assert sent(host)[-1] == "echo clean"


def test_a_clean_up_that_fails_is_reported_and_the_change_stays(tmp_path: Path) -> None:
    host = carry_out(tmp_path, clean_up=(FAILS,))
    assert host.status is Status.CHANGED
    assert host.message.startswith(
        "the files of the rollback are left on the host, unused: `false` exited with 1"
    )
    assert (tmp_path / "file").exists()


def test_nothing_is_changed_if_arming_fails_and_what_it_has_left_is_removed(tmp_path: Path) -> None:
    host = carry_out(tmp_path, arm=(NOTHING, FAILS), clean_up=(("echo", "clean"),))
    assert host.status is Status.FAILED
    assert host.message == "host-a: `false` exited with 1; nothing was changed"
    assert sent(host) == ["true", "false", "echo clean"]
    assert not (tmp_path / "file").exists()


def test_what_another_change_has_left_is_not_removed_if_the_first_command_fails(tmp_path: Path) -> None:
    host = carry_out(tmp_path, arm=(FAILS, NOTHING), clean_up=(("echo", "clean"),))
    assert host.status is Status.FAILED
    assert sent(host) == ["false"]


def test_both_are_reported_if_arming_and_the_clean_up_fail(tmp_path: Path) -> None:
    host = carry_out(tmp_path, arm=(NOTHING, FAILS), clean_up=(("sh", "-c", "exit 3"),))
    assert host.message.startswith("host-a: `false` exited with 1; nothing was changed, but the files of the")
    assert "exited with 3" in host.message


def test_a_new_connection_after_the_hosts_timer_is_not_judged_by_what_the_timer_restored(
    tmp_path: Path,
) -> None:
    host = carry_out(tmp_path, takes=2.1)
    assert host.status is Status.FAILED
    assert host.message == (
        "not confirmed: the host did not answer over a new connection within 2 s after the change; "
        "the change was rolled back"
    )
    assert not (tmp_path / "file").exists()


def test_a_confirmation_that_is_refused_reverts_the_change(tmp_path: Path) -> None:
    host = carry_out(tmp_path, confirm=(FAILS,))
    assert host.status is Status.FAILED
    assert host.message.endswith("the change was rolled back")
    assert not (tmp_path / "file").exists()


def test_an_error_in_the_checks_reverts_the_change(tmp_path: Path) -> None:
    host = carry_out(tmp_path, kind=Flawed)
    assert host.status is Status.FAILED
    assert host.message == (
        "not confirmed: internal error in step: ZeroDivisionError: a defect; the change was rolled back"
    )
    assert not (tmp_path / "file").exists()


def test_an_error_while_checks_are_repeated_hides_none_that_did_not_hold(tmp_path: Path) -> None:
    host = carry_out(tmp_path, kind=Unsettled)
    assert host.status is Status.FAILED
    assert "not confirmed: the file: expected there, observed ; " in host.message
    assert "malformed" in host.message
    assert "the change was rolled back" in host.message
    assert not (tmp_path / "file").exists()


def test_facts_that_cannot_be_read_after_the_revert_are_said_to_leave_it_unconfirmed(tmp_path: Path) -> None:
    host = carry_out(tmp_path, kind=Flawed, when="read")
    assert host.status is Status.FAILED
    assert host.message == (
        "not confirmed: internal error in step: ZeroDivisionError: a defect; NOT ROLLED BACK: check the host now, "
        "the former state could not be confirmed: internal error in step: KeyError: 'malformed\\n'"
    )
    assert not (tmp_path / "file").exists()


def test_facts_that_can_be_read_only_a_moment_after_the_revert_are_read_again(tmp_path: Path) -> None:
    host = carry_out(tmp_path, kind=Flawed, when="late")
    assert host.status is Status.FAILED
    assert host.message.endswith("ZeroDivisionError: a defect; the change was rolled back")
