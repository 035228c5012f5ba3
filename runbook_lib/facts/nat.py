"""Network address translation: which iptables a host has, and where Docker's published ports are forwarded to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["IptablesBackend", "NatRule", "NatRules"]

_NOT_FOUND = 127
# The second one is what iptables 1.8.9 says on a host on which Docker was never started.
_NO_SUCH_CHAIN = ("No chain/target/match by that name", "chain `DOCKER' in table `nat' is incompatible")
# A user's own search path may lack iptables' directory, and so may sudo's.
_FIND = 'PATH=$PATH:/usr/sbin:/sbin; command -v iptables >/dev/null || exit 127; exec iptables "$@"'


@dataclass(frozen=True)
class IptablesBackend(Fact[str]):
    """What the host's iptables writes its rules to: `nf_tables` or `legacy`; empty if there is no iptables.

    Engines before 28 do not name their firewall backend: they use this program.
    """

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _FIND, "sh", "--version"), accept=(0, _NOT_FOUND))

    def parse(self, output: Output) -> str:
        """Return the backend; before version 1.8 there was only the legacy one, and it had no name.

        >>> IptablesBackend().parse(Output(0, "iptables v1.8.9 (nf_tables)"))
        'nf_tables'
        """
        if output.exit_code == _NOT_FOUND:
            return ""
        match = re.fullmatch(r"iptables v[0-9][0-9.]*(?: \((nf_tables|legacy)\))?", output.stdout.strip())
        if not match:
            raise FactError(f"iptables --version: unexpected output {excerpt(output.stdout, 80)!r}")
        return match[1] or "legacy"


@dataclass(frozen=True)
class NatRule:
    """One rule that forwards a port of the host.

    Args:
        protocol: As `tcp`.
        port: The host's port.
        target: Where it is forwarded to, as `172.17.0.2:6379`.
        address: The only address of the host for which the rule holds, as `192.168.7.31/32`; empty: all.
    """

    protocol: str
    port: int
    target: str
    address: str = ""


@dataclass(frozen=True)
class NatRules(Fact[tuple[NatRule, ...]]):
    """The rules that the Docker engine wrote for published ports, in iptables' nat table; none without iptables."""

    def request(self) -> Command:
        """Return the command."""
        listing = ("--wait", "5", "--table", "nat", "--list-rules", "DOCKER")
        return Command(("sh", "-c", _FIND, "sh", *listing), sudo=True, accept=(0, 1, _NOT_FOUND))

    def parse(self, output: Output) -> tuple[NatRule, ...]:
        """Return the rules in their order.

        >>> line = "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 6380 -j DNAT --to-destination 172.17.0.2:6379"
        >>> NatRules().parse(Output(0, line))
        (NatRule(protocol='tcp', port=6380, target='172.17.0.2:6379', address=''),)
        """
        if output.exit_code == _NOT_FOUND or any(text in output.stderr for text in _NO_SUCH_CHAIN):
            return ()  # an engine that runs without iptables, or none that has started yet
        if output.exit_code != 0:
            raise FactError(f"iptables: exit code {output.exit_code}: {excerpt(output.stderr.strip(), 200)}")
        lines = lines_of(output.stdout)
        unexpected = next((line for line in lines if not line.startswith(("-N ", "-A ", "-P "))), None)
        if unexpected is not None:
            raise FactError(f"iptables: unexpected output {excerpt(unexpected, 80)!r}")
        return tuple(_rule(line) for line in lines if " --to-destination " in line)


def _rule(line: str) -> NatRule:
    words = line.split()

    def after(option: str) -> str:
        return words[words.index(option) + 1]

    with parsing("iptables"):
        return NatRule(
            protocol=after("-p"),
            port=int(after("--dport")),
            target=after("--to-destination"),
            address=after("-d") if "-d" in words else "",
        )
