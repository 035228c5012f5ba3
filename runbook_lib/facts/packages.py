"""The distribution's packages."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.facts.base import Fact
from runbook_lib.model import Command, Output

__all__ = ["UnfinishedPackages"]


@dataclass(frozen=True)
class UnfinishedPackages(Fact[bool]):
    """Whether an installation was cut off in the middle (dpkg only; elsewhere it is False)."""

    def request(self) -> Command:
        """Return the command; it prints nothing where all is well."""
        return Command(("sh", "-c", "if command -v dpkg >/dev/null; then dpkg --audit; fi"))

    def parse(self, output: Output) -> bool:
        """Return whether anything was printed."""
        return bool(output.stdout.strip())
