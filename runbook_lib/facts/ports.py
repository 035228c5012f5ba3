"""TCP ports: which ones something listens on, and whether one can be connected to."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, NetworkQuery, Output

__all__ = ["Listener", "ListeningPorts", "PortOpen", "bracketed", "is_address", "with_port"]

_COLUMNS = 5
_CONNECT = 'exec 3<> "/dev/tcp/$1/$2"'
_TIMED_OUT = 124


def is_address(name: str) -> bool:
    """Return whether a name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def bracketed(address: str) -> str:
    """Return an address as it stands before a port: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


def with_port(address: str, port: int) -> str:
    """Return an address with a port, as programs take it.

    >>> with_port("2001:db8::1", 443)
    '[2001:db8::1]:443'
    """
    return f"{bracketed(address)}:{port}"


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


@dataclass(frozen=True)
class PortOpen(Fact[str]):
    """Whether a TCP port accepts connections: empty if it does, otherwise why not.

    Args:
        port: TCP port.
        address: Name or IP address; empty: the host itself.
        asked_from: `here`: this machine connects, over the network; `host`: the host does.
        timeout: Whole seconds.
    """

    port: int
    address: str = ""
    asked_from: Literal["here", "host"] = "here"
    timeout: int = 5

    def request(self) -> Command | NetworkQuery:
        """Return the query; bash can connect without any further program."""
        if self.asked_from == "here":
            return NetworkQuery("connect", self.port, self.address, timeout=float(self.timeout))
        target = (self.address or "127.0.0.1", str(self.port))
        return Command(
            ("timeout", str(self.timeout), "bash", "-c", _CONNECT, "bash", *target), accept=(0, 1, _TIMED_OUT)
        )

    def parse(self, output: Output) -> str:
        """Return nothing, or the reason.

        >>> PortOpen(443).parse(Output(1, stderr="192.0.2.1:443: ConnectionRefusedError: Connection refused"))
        '192.0.2.1:443: ConnectionRefusedError: Connection refused'
        """
        if output.exit_code == 0:
            if output.stdout.strip() not in {"", "open"}:
                raise FactError(f"{self.label}: unexpected output {excerpt(output.stdout, 80)!r}")
            return ""
        if output.exit_code is None:
            raise FactError(f"{self.label}: {output.problem}")
        lines = lines_of(output.stderr.strip())
        if output.exit_code == _TIMED_OUT:
            return f"no answer within {self.timeout} s"
        if not lines:
            raise FactError(f"{self.label}: exit code {output.exit_code} without a reason")
        return excerpt(lines[-1], 300)
