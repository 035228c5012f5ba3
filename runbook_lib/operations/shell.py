"""Free-form shell scripts: the cell magics `%%on` and `%%look`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan
from runbook_lib.operations.base import Operation, Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Look", "Script"]

_ANY_EXIT_CODE = tuple(range(256))


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


@dataclass(frozen=True)
class Look(Probe):
    """A person's look at a host: a script has run, in any mode, and its exit code is not a failure.

    Nothing but the person's intent makes it read-only: it is free shell, and recorded as `shell`.

    Args:
        script: For the host's `sh`.
    """

    for_excluded_hosts = True
    script: str

    @property
    def command(self) -> Command:
        """The script as one command."""
        return Command(("sh", "-c", self.script), accept=_ANY_EXIT_CODE, purpose="look")

    @property
    def command_kind(self) -> Literal["change", "shell"]:
        """Return `shell`."""
        return "shell"

    def facts(self) -> Sequence[Fact[Any]]:
        """Return no facts: what the script shows is for the person."""
        return ()

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - see below
        """Return one check; without an exit code the step fails earlier."""
        return [Check.equal("an exit code arrived", True, True, "shell.looked")]  # noqa: FBT003 - both are values
