"""A rule of iptables (iptables(8), iptables-extensions(8)), in the table `filter`, for IPv4."""

from __future__ import annotations

import itertools
import re
import shlex
from typing import TYPE_CHECKING

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.firewall import IptablesFilter
from runbook_lib.facts.nat import IptablesBackend
from runbook_lib.model.commands import Command
from runbook_lib.operations.configuration_text import physical_lines
from runbook_lib.operations.firewalls.firewall_backend import DOCKER_USER, FirewallBackend, Kept

if TYPE_CHECKING:
    from runbook_lib.facts.base import Facts
    from runbook_lib.facts.firewall import FilterTable

__all__ = ["IptablesFirewall"]

_COUNTS = re.compile(r"^\[\d+:\d+\]\s+")
_IPTABLES = ("iptables", "--wait", "5")
# Docker's own rules come after those of DOCKER-USER: ACCEPT there would skip them, the isolation of networks included.
_TARGETS = {
    "accept": ("ACCEPT",),
    "drop": ("DROP",),
    "reject": ("REJECT", "--reject-with", "icmp-port-unreachable"),
}


class IptablesFirewall(FirewallBackend):
    """A rule that iptables writes."""

    title = "iptables"
    files = (
        Kept("netfilter-persistent.service", "/etc/iptables/rules.v4"),
        Kept("iptables.service", "/etc/sysconfig/iptables"),
    )

    @classmethod
    def decides(cls, chain: str, facts: Facts) -> bool:
        """Return whether INPUT has a rule, or a policy other than ACCEPT; Docker writes rules into the others."""
        table = facts[IptablesFilter()]
        if table is None or chain != "INPUT":
            return False
        return table.policies.get(chain) != "ACCEPT" or any(words[1] == chain for words in table.rules)

    @classmethod
    def obstacle(cls, chain: str, facts: Facts) -> str:
        """Return that iptables is not there, or that it is not the one on nf_tables."""
        table = facts[IptablesFilter()]
        if table is None:
            return f"this host has neither iptables nor a chain of nftables with the hook {chain.lower()}"
        if facts[IptablesBackend()] != "nf_tables" or table.legacy:
            return "rules of iptables-legacy are in force on this host"
        return ""

    def refuse(self) -> None:
        """Refuse a chain that does not exist."""
        if self.wanted.present and self.wanted.chain not in self._table.policies:
            raise PlanRefused(
                f"iptables has no chain {self.wanted.chain}",
                hint="start Docker first; an engine that writes nftables rules has no such chain"
                if self.wanted.chain == DOCKER_USER
                else "chains are: " + ", ".join(self._table.policies),
            )

    def observed(self) -> str:
        """Return what the table has of the rule."""
        own = [words for _, words in self._own]
        if not own:
            return "absent"
        return "present" if own == [self._rule] else f"differs: {shlex.join(own[0])}"

    def apply(self) -> str:
        """Remove the former rule, then insert it before all others of its chain."""
        if self.observed() == ("present" if self.wanted.present else "absent"):
            return ""
        lines = [shlex.join((*_IPTABLES, "-D", *words[1:])) for _, words in self._own]
        if self.wanted.present:
            lines.append(shlex.join((*_IPTABLES, "-I", self.wanted.chain, "1", *self._rule[2:])))
        return "\n".join(lines)

    def revert(self) -> str:
        """Remove the new rule, and insert the former ones where they were."""
        if not self.apply():
            return ""
        lines = [f"{shlex.join((*_IPTABLES, '-D', *self._rule[1:]))} 2>/dev/null"] * self.wanted.present
        for number, words in self._own:
            check = shlex.join((*_IPTABLES, "-C", *words[1:]))
            insert = shlex.join((*_IPTABLES, "-I", words[1], str(number), *words[2:]))
            lines.append(f"{check} 2>/dev/null || {insert}")
        return "\n".join(lines)

    def edited(self, text: str) -> str:
        """Return the file with the rule as the first one of its chain, or without it."""
        lines = physical_lines(text)
        chain = self.wanted.chain
        start = next((at for at, line in enumerate(lines) if line.strip() == "*filter"), None)
        if start is None:
            if not self.wanted.present:
                return text
            raise PlanRefused(
                f"{self.kept.path if self.kept else 'the file'} has no table filter",
                hint="`netfilter-persistent save` writes the rules of the running host into it",
            )
        own = [_uncounted(line) for line in lines if self._is_own(line)]
        if own == [_line(self._rule)] * self.wanted.present:
            return text  # wherever it is: rules that were inserted later come before it
        end = next((at for at in range(start, len(lines)) if lines[at].strip() == "COMMIT"), len(lines))
        table = [line for line in lines[start:end] if not self._is_own(line)]
        if self.wanted.present:
            if not any(line.startswith(f":{chain} ") for line in table):
                table.insert(1, f":{chain} - [0:0]\n")
            rules = [(at, _uncounted(line)) for at, line in enumerate(table)]
            first = next((at for at, line in rules if line.startswith("-")), len(table))
            first = next((at for at, line in rules if line.startswith(f"-A {chain} ")), first)
            table.insert(first, _line(self._rule))
        return "".join([*lines[:start], *table, *lines[end:]])

    def test(self, text: str) -> Command:
        """Return the command that parses the file."""
        return Command(
            ("iptables-restore", "--wait", "5", "--test"),
            stdin=text,
            sudo=True,
            purpose="test the rules for the next boot before anything is changed",
        )

    @property
    def _table(self) -> FilterTable:
        table = self.facts[IptablesFilter()]
        if table is None:
            raise PlanRefused("there is no iptables on this host", hint="install the package iptables")
        return table

    @property
    def _own(self) -> list[tuple[int, tuple[str, ...]]]:
        """The rules with the wanted one's name, each with its position in its chain."""
        in_chain = [words for words in self._table.rules if words[1] == self.wanted.chain]
        return [
            (at, words) for at, words in enumerate(in_chain, 1) if _has_comment(words, self.wanted.comment)
        ]

    @property
    def _rule(self) -> tuple[str, ...]:
        """The rule's words in the order in which iptables lists them."""
        wanted = self.wanted
        words = ["-A", wanted.chain]
        words += ["-s", wanted.source] if wanted.source else []
        words += ["-i", wanted.interface] if wanted.interface else []
        if wanted.port is not None:
            words += ["-p", wanted.protocol]
            words += (
                # Docker has replaced the port when the packet arrives here: that of the host is the original one.
                ["-m", "conntrack", "--ctorigdstport", str(wanted.port), "--ctdir", "ORIGINAL"]
                if wanted.chain == DOCKER_USER
                else ["-m", wanted.protocol, "--dport", str(wanted.port)]
            )
        words += ["-m", "comment", "--comment", wanted.comment]
        goes_on = wanted.action == "accept" and wanted.chain == DOCKER_USER
        return (*words, "-j", *(("RETURN",) if goes_on else _TARGETS[wanted.action]))

    def _is_own(self, line: str) -> bool:
        rule = _uncounted(line)
        if not rule.startswith(f"-A {self.wanted.chain} "):
            return False
        try:
            return _has_comment(tuple(shlex.split(rule)), self.wanted.comment)
        except ValueError:
            return False  # iptables-restore reads such lines differently, so we have not written it


def _uncounted(line: str) -> str:
    """Return a line of a file without the packets and bytes that `iptables-save -c` puts before each rule."""
    return _COUNTS.sub("", line)


def _has_comment(words: tuple[str, ...], comment: str) -> bool:
    return any(pair == ("--comment", comment) for pair in itertools.pairwise(words))


def _line(words: tuple[str, ...]) -> str:
    return " ".join(f'"{word}"' if " " in word else word for word in words) + "\n"
