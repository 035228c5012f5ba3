"""Free-form shell scripts: the cell magic `%%on`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Script"]


@dataclass(frozen=True)
class Script(Operation):
    """A script has run and exited with 0. It is not marked repeatable.

    Args:
        script: For the host's `sh`.
    """

    script: str

    @property
    def verifiable(self) -> bool:
        """Return False: only running the script shows its outcome."""
        return False

    @property
    def command_kind(self) -> Literal["change", "shell"]:
        """Return `shell`."""
        return "shell"

    def facts(self) -> Sequence[Fact[Any]]:
        """Return no facts: a script has no known effects."""
        return ()

    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - always the script
        """Return the script as one command."""
        return Plan(commands=(Command(("sh", "-e", "-c", self.script), purpose="shell script"),))

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - see below
        """Return one check; another exit code fails the step earlier."""
        return [Check.equal("exit code", 0, 0, "shell.exit_code")]
