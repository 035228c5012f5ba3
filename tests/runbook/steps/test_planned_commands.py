"""Mode `plan` shows each command that would be sent, in that order, and leaves out only what would undo it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, NetworkGuard, Plan, Reboot
from runbook_lib.operations.base import Operation
from runbook_lib.runbook.runbook import Runbook
from tests.operations.command_lists import command_lists
from tests.runbook.practice import on_a, parameters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.facts.base import Fact, Facts

UNDO = {"rollback", "after_rollback", "revert", "abandon"}  # sent only if something fails


def named(part: type) -> dict[str, Any]:
    """Return a command for each list of a part, which has the list's name."""
    return {name: (Command(("true", name)),) for name in command_lists(part)}


@dataclass(frozen=True)
class Surrounded(Operation):
    """A plan with a command in every list.

    Args:
        by: `NetworkGuard` or `Reboot`.
    """

    by: type

    def facts(self) -> Sequence[Fact[Any]]:
        return ()

    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - always the same
        if self.by is Reboot:
            return Plan(**named(Plan), reboot=Reboot(**named(Reboot)))
        return Plan(**named(Plan), guard=NetworkGuard(**named(NetworkGuard), timeout=60.0))

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - as above
        return [Check.equal("changed", "yes", "no")]


@pytest.mark.parametrize(
    ("by", "order"),
    [
        (NetworkGuard, ["preflight", "arm", "commands", "confirm", "clean_up"]),
        (Reboot, ["arm", "commands", "confirm"]),
    ],
)
def test_mode_plan_shows_every_list_of_commands(tmp_path: Path, by: type, order: list[str]) -> None:
    """A list that is new belongs in `planned_commands.py`, or in `UNDO`."""
    book = Runbook.open(parameters(tmp_path, mode="plan"))
    step = book.step("Change", Surrounded(by))
    book.close()
    assert [command.text for command in on_a(step).commands] == [f"true {name}" for name in order]
    assert set(order) == {*command_lists(Plan), *command_lists(by)} - UNDO
