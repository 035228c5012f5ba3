"""A plan with a command line that would show a secret is refused as a whole, and in mode `plan` too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import StepFailed
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import NetworkGuard, Plan, Reboot
from tests.runbook.practice import Does, parameters

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.facts.base import Facts

SECRET = "correct-horse-battery"  # noqa: S105 - of these tests


@dataclass(frozen=True)
class Planned(Does):
    """Carries out the plan that is given."""

    made: Plan = field(default_factory=Plan)

    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - always the same
        return self.made


SHOWS = (Command(("echo", SECRET)),)
WAYS: dict[str, dict[str, Any]] = {
    "a later command": {"commands": (Command(("true",)), *SHOWS)},
    "the rollback": {"rollback": SHOWS},
    "what follows a rollback": {"rollback": (Command(("true",)),), "after_rollback": SHOWS},
    "the revert of a guard": {"guard": NetworkGuard((), (), SHOWS, 5.0)},
    "the end of a guard": {"guard": NetworkGuard((), (), (), 5.0, clean_up=SHOWS)},
    "after a reboot": {"reboot": Reboot(abandon=SHOWS)},
}


@pytest.mark.parametrize("mode", ["plan", "apply"])
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, mode: str) -> None:
    monkeypatch.setenv("PASSPHRASE", SECRET)
    book = Runbook.open(parameters(tmp_path, hosts="host-a", mode=mode))
    book.secret("${env:PASSPHRASE}")
    touch = Command(("touch", str(tmp_path / "touched")))
    parts = WAYS[way]
    made = Plan(**{**parts, "commands": (touch, *parts.get("commands", ()))})
    with pytest.raises(StepFailed, match="would show a secret to every process on the host"):
        book.step("Change", Planned((), made=made))
    assert not (tmp_path / "touched").exists()
    assert book.record.steps[0].hosts[0].commands == []
