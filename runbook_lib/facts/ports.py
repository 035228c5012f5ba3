"""TCP ports that something listens on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["Listener", "ListeningPorts"]

_COLUMNS = 5


@dataclass(frozen=True)
class Listener:
    """One listening socket: port, local address, and the program's name if known."""

    port: int
    address: str
    program: str


@dataclass(frozen=True)
class ListeningPorts(Fact[tuple[Listener, ...]]):
    """All listening TCP sockets."""

    def request(self) -> Command:
        """Return the command; only root sees the programs."""
        return Command(("ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes"), sudo=True)

    def parse(self, output: Output) -> tuple[Listener, ...]:
        """Return the listeners.

        >>> line = 'LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=81,fd=3))'
        >>> ListeningPorts().parse(Output(0, line))
        (Listener(port=22, address='0.0.0.0', program='sshd'),)
        """
        return tuple(_listener(line) for line in lines_of(output.stdout) if line.strip())


def _listener(line: str) -> Listener:
    words = line.split()
    if len(words) < _COLUMNS or ":" not in words[3]:
        raise FactError(f"ss: unexpected output {excerpt(line, 80)!r}")
    address, _, port = words[3].rpartition(":")
    program = re.search(r'users:\(\("([^"]+)"', line)
    with parsing("ss"):
        number = int(port)
    return Listener(port=number, address=address, program=program[1] if program else "")
