"""The output of any read-only command, for probes."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output

__all__ = ["TIMED_OUT", "Answer", "Answered", "answer_within"]

TIMED_OUT = frozenset({124, 143})
"""Exit codes of a program that `timeout` ended: coreutils' own, and busybox's."""

_START = 30.0  # seconds that a busy host may take to begin and to end a program


@dataclass(frozen=True)
class Answered:
    """Exit code and output; the error stream only if there is no output."""

    exit_code: int | None
    text: str

    @property
    def failure(self) -> str:
        """What a failed command printed, or its exit code; empty if it succeeded.

        What is not in the output of a command that failed is not proven to be absent.
        """
        return "" if self.exit_code == 0 else self.text or f"exit code {self.exit_code}"


@dataclass(frozen=True)
class Answer(Fact[Answered]):
    """The output of a read-only command, whatever its exit code.

    Args:
        argv: Program and arguments.
        stdin: Text for standard input.
        sudo: Run as root.
        timeout: Seconds.
        secret_values: Name under which secrets among the settings that it prints are masked; empty: there are none.
    """

    argv: tuple[str, ...]
    stdin: str | None = None
    sudo: bool = True
    timeout: float = 30.0
    secret_values: str = ""

    def request(self) -> Command:
        """Return the command; it accepts every exit code."""
        return Command(
            self.argv,
            stdin=self.stdin,
            sudo=self.sudo,
            timeout=self.timeout,
            accept=tuple(range(256)),
            secret_values=self.secret_values,
        )

    def parse(self, output: Output) -> Answered:
        """Return exit code and output."""
        text = output.stdout.strip() or output.stderr.strip()
        return Answered(exit_code=output.exit_code, text=text.replace("\r", ""))

    @property
    def label(self) -> str:
        """The command itself."""
        return f"{self.id}({' '.join(self.argv)})"


def answer_within(
    seconds: int, argv: tuple[str, ...], container: str | None = None, stdin: str | None = None
) -> Answer:
    """Return the fact with the output of a program that has some seconds to answer.

    In a container the time is limited inside, by the image's own `timeout`: a host that is slow to enter the container
    is not taken for a program that does not answer, and a program that hangs is ended, not only its `docker exec`.

    Args:
        seconds: How long the program may run.
        argv: Program and arguments.
        container: Run it in this container; None: on the host.
        stdin: Text for standard input.
    """
    limited = ("timeout", str(seconds), *argv)
    inside = ("docker", "exec", *(("-i",) if stdin else ()), container) if container else ()
    return Answer((*inside, *limited), stdin=stdin, timeout=seconds + _START)
