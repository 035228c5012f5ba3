"""A trial boot that a killed run began: the next run checks before it confirms, and does not reboot."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.errors import StepFailed
from runbook_lib.facts.host import BootId, SystemState
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan, Reboot
from runbook_lib.model.status import Status
from runbook_lib.operations.base import Operation
from runbook_lib.runbook.runbook import Runbook
from tests.execution.fleet.killable_run import parameters
from tests.runbook.practice import Content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.model.records import HostRecord


PROGRAMS = ("sh", "cat", "cp", "touch", "rm", "mkdir", "chmod", "flock", "grep", "sed", "false")


@pytest.fixture(autouse=True)
def without_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away systemctl: where systemd is not running, it would make this machine no host for a reboot."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(programs))


@dataclass(frozen=True)
class Tried(Operation):
    """A host whose trial boot an earlier run began."""

    place: str

    def facts(self) -> Sequence[Fact[Any]]:
        return (BootId(), SystemState(), Content(f"{self.place}/works"), Content(f"{self.place}/default"))

    def plan(self, facts: Facts) -> Plan:
        if facts[Content(f"{self.place}/default")]:
            return Plan()
        confirm = (Command(("cp", f"{self.place}/works", f"{self.place}/default")),)
        abandon = (Command(("touch", f"{self.place}/abandoned")),)
        return Plan(
            reboot=Reboot(
                arm=(Command(("false",)),),
                confirm=confirm,
                abandon=abandon,
                only_after_confirm=("default",),
                recovery="the next reset brings the old one",
                failed_before_reboot=facts[SystemState()].failed,
            )
        )

    def verify(self, facts: Facts) -> list[Check]:
        works = facts[Content(f"{self.place}/works")]
        return [
            Check.equal("works", "yes", works),
            Check.equal("default", "yes", facts[Content(f"{self.place}/default")], "default"),
        ]


def step(place: Path, kind: type[Tried] = Tried, **given: str) -> HostRecord:
    (place / "inventory.yml").write_text("hosts:\n  host-a: {connection: local}\n", encoding="utf-8")
    book = Runbook.open(parameters(place, **given))
    try:
        book.step("Trial", kind(str(place)))
        book.close()
    except StepFailed:
        pass
    return book.record.steps[0].hosts[0]


def sent(record: HostRecord) -> list[tuple[str, str]]:
    return [(command.kind, command.text.split()[0]) for command in record.commands if command.kind != "fact"]


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")


def test_it_is_confirmed_once_its_checks_hold(tmp_path: Path) -> None:
    (tmp_path / "works").write_text("yes")
    before = boot_id()
    record = step(tmp_path)
    assert (record.status, record.message) == (Status.CHANGED, "")
    assert sent(record) == [("guard", "cp")], "neither armed nor rebooted again"
    assert boot_id() == before
    assert "newly failed units" in [check.name for check in record.checks]
    assert step(tmp_path).status is Status.OK


def test_it_is_not_confirmed_where_they_do_not(tmp_path: Path) -> None:
    (tmp_path / "works").write_text("no")
    record = step(tmp_path)
    assert record.status is Status.FAILED
    assert "not confirmed: works: expected yes, observed no" in record.message
    assert "the next reset brings the old one" in record.message
    assert sent(record) == [("rollback", "touch")]
    assert not (tmp_path / "default").exists()


def test_a_plan_tells_what_would_be_confirmed(tmp_path: Path) -> None:
    (tmp_path / "works").write_text("yes")
    record = step(tmp_path, mode="plan")
    assert record.status is Status.PLANNED
    assert ("guard", "cp") in sent(record)


@dataclass(frozen=True)
class Flawed(Tried):
    """An error in its checks, and what abandons it fails."""

    def plan(self, facts: Facts) -> Plan:
        plan = super().plan(facts)
        assert plan.reboot
        return replace(plan, reboot=replace(plan.reboot, abandon=(Command(("false",)), *plan.reboot.abandon)))

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - never gets that far
        raise ZeroDivisionError("a defect")


def test_an_error_in_the_checks_abandons_it_and_the_message_says_what_was_not_undone(tmp_path: Path) -> None:
    record = step(tmp_path, kind=Flawed)
    assert record.status is Status.FAILED
    assert record.message.startswith(
        "not confirmed: internal error in step: ZeroDivisionError: a defect; ROLLBACK FAILED: check the host now: "
        "`false` exited with 1"
    )
    assert record.message.endswith("; the next reset brings the old one")
    assert (tmp_path / "abandoned").exists()
