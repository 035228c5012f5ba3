"""A command that runs as root under sudo on a real host is terminated with its children."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import StepFailed
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Plan
from tests.deadlines import deadline
from tests.runbook.practice import Does, Practice

if TYPE_CHECKING:
    from runbook_lib.facts.base import Facts
    from tests.scenarios.practice import Practice as OnLab

pytestmark = [pytest.mark.lab, pytest.mark.scenario]

WAITS = "sleep 623.0001"
_HANDLES, _IGNORES = "", "trap '' TERM; "
COUNT = "ps -eo args= | grep -cxF 'sleep 623.0001' || true"


@dataclass(frozen=True)
class DoesAsRoot(Does):
    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - always the command
        return Plan((Command(self.argv, timeout=self.timeout, sudo=True),))


def open_book(fresh: OnLab, **given: Any) -> Runbook:  # noqa: ANN401 - any parameter
    defaults = {"inventory": str(fresh.lab.inventory), "hosts": "host-a", "runs": str(fresh.runs)}
    return Runbook.open(Practice.model_validate({**defaults, **given}))


# The defaults of newer sudo versions, which give the command a terminal, and of older ones.
@pytest.mark.parametrize(
    ("terminal", "trap"),
    [
        pytest.param("use_pty", _IGNORES, id="use_pty-ignores-term"),
        pytest.param("!use_pty", _HANDLES, id="!use_pty-handles-term"),
        pytest.param("use_pty", _HANDLES, id="use_pty-handles-term", marks=pytest.mark.kills),
        pytest.param("!use_pty", _IGNORES, id="!use_pty-ignores-term", marks=pytest.mark.kills),
    ],
)
def test_a_command_under_sudo_is_terminated_with_its_children(fresh: OnLab, terminal: str, trap: str) -> None:
    fresh.on("host-a", f"echo 'Defaults {terminal}' | sudo tee /etc/sudoers.d/test >/dev/null")
    seconds = deadline(3.0)  # for the login and the lock on the host too
    book = open_book(fresh, step_timeout=seconds)
    passed = re.escape(f"the step_timeout of {seconds:g} s has passed; terminated on the host with")
    with pytest.raises(StepFailed, match=passed):
        book.step("Wait", DoesAsRoot(("sh", "-c", f"{trap}{WAITS} & {WAITS}; true"), timeout=900.0))
    command, search, kill = book.record.steps[0].hosts[0].commands
    assert (command.exit_code, search.kind, kill.kind) == (None, "termination", "termination")
    assert " sh -s -- " in kill.text
    assert fresh.on("host-a", COUNT).strip() == "0"
