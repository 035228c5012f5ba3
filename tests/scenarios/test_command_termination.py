"""What runs as root under sudo on a real host is ended there too, with its children."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import StepFailed
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Plan
from tests.runbook.practice import Does, Practice

if TYPE_CHECKING:
    from runbook_lib.facts.base import Facts
    from tests.scenarios.practice import Practice as OnLab

WAITS = "sleep 623.0001"
COUNT = "ps -eo args= | grep -cxF 'sleep 623.0001' || true"


@dataclass(frozen=True)
class DoesAsRoot(Does):
    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - always the command
        return Plan((Command(self.argv, timeout=self.timeout, sudo=True),))


def opened(fresh: OnLab, **given: Any) -> Runbook:  # noqa: ANN401 - any parameter
    asked = {"inventory": str(fresh.lab.inventory), "hosts": "host-a", "runs": str(fresh.runs)}
    return Runbook.open(Practice.model_validate({**asked, **given}))


# How newer versions of sudo are set up, a terminal of the command's own, and how older ones are.
@pytest.mark.parametrize("terminal", ["use_pty", "!use_pty"])
@pytest.mark.parametrize("trap", ["", "trap '' TERM; "], ids=["hears-term", "does-not"])
def test_a_command_under_sudo_is_ended_with_its_children(fresh: OnLab, terminal: str, trap: str) -> None:
    fresh.on("host-a", f"echo 'Defaults {terminal}' | sudo tee /etc/sudoers.d/test >/dev/null")
    book = opened(fresh, step_timeout=3.0)
    with pytest.raises(StepFailed, match="the step_timeout of 3 s has passed; ended on the host with"):
        book.step("Wait", DoesAsRoot(("sh", "-c", f"{trap}{WAITS} & {WAITS}; true"), timeout=900.0))
    command, look, end = book.record.steps[0].hosts[0].commands
    assert (command.exit_code, look.kind, end.kind) == (None, "termination", "termination")
    assert end.text.startswith("sudo -n -- sh -s -- ")
    assert fresh.on("host-a", COUNT).strip() == "0"
