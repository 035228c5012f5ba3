"""The output of any read-only command, for probes."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output

__all__ = ["Answer", "Answered"]


@dataclass(frozen=True)
class Answered:
    """Exit code and output; the error stream only if there is no output."""

    exit_code: int | None
    text: str


@dataclass(frozen=True)
class Answer(Fact[Answered]):
    """The output of a read-only command, whatever its exit code.

    Args:
        argv: Program and arguments.
        stdin: Text for standard input.
        sudo: Run as root.
        timeout: Seconds.
    """

    argv: tuple[str, ...]
    stdin: str | None = None
    sudo: bool = True
    timeout: float = 30.0

    def request(self) -> Command:
        """Return the command; it accepts every exit code."""
        return Command(
            self.argv, stdin=self.stdin, sudo=self.sudo, timeout=self.timeout, accept=tuple(range(256))
        )

    def parse(self, output: Output) -> Answered:
        """Return exit code and output."""
        text = output.stdout.strip() or output.stderr.strip()
        return Answered(exit_code=output.exit_code, text=text.replace("\r", ""))

    @property
    def label(self) -> str:
        """The command itself."""
        return f"{self.id}({' '.join(self.argv)})"
