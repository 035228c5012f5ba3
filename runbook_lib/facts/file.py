"""Files on a host."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output

__all__ = ["FileText"]


@dataclass(frozen=True)
class FileText(Fact[str | None]):
    """A text file's contents; None if the file does not exist.

    Args:
        path: Absolute path.
    """

    path: str

    def request(self) -> Command:
        """Return the command that reads it as root."""
        return Command(("cat", "--", self.path), sudo=True, accept=(0, 1))

    def parse(self, output: Output) -> str | None:
        """Return the text unchanged, with all newlines."""
        if output.exit_code == 0:
            return output.stdout
        if "No such file" in output.stderr:
            return None
        raise FactError(f"{self.path} cannot be read: {output.stderr.strip()}")
