"""The privileges of the user on a host."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output

__all__ = ["Sudo"]


@dataclass(frozen=True)
class Sudo(Fact[bool]):
    """Whether commands can run as root."""

    def request(self) -> Command:
        """Return a command that does nothing, as root; 127: there is no sudo."""
        return Command(("true",), sudo=True, accept=(0, 1, 127), probes_sudo=True)

    def parse(self, output: Output) -> bool:
        """Return whether the command ran."""
        return output.exit_code == 0 and not output.refused
