"""A rule of nftables (nft(8), libnftables-json(5)), for IPv4."""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.firewall import NftRuleset
from runbook_lib.model.commands import Command
from runbook_lib.operations.configuration_text import physical_lines
from runbook_lib.operations.firewalls.firewall_backend import DOCKER_USER, FirewallBackend, Kept

if TYPE_CHECKING:
    from runbook_lib.facts.base import Facts
    from runbook_lib.facts.firewall import NftChain, NftRule

__all__ = ["NftablesFirewall", "own_chains"]

_NFPROTO = {"meta": {"key": "nfproto"}}
_SOURCE = {"payload": {"protocol": "ip", "field": "saddr"}}
_REJECT = {"reject": {"type": "icmp", "expr": "port-unreachable"}}
_OF_IPTABLES = {"filter", "nat", "mangle", "raw", "security"}


def own_chains(facts: Facts, hook: str) -> list[NftChain]:
    """Return the chains at a hook that filter IPv4 packets and that iptables did not make.

    Args:
        facts: Among them `NftRuleset`.
        hook: As `input`.
    """
    return [
        chain
        for chain in facts[NftRuleset()] or ()
        if chain.hook == hook
        and chain.kind == "filter"
        and chain.family in {"inet", "ip"}
        and not (chain.family == "ip" and chain.table in _OF_IPTABLES and chain.name.isupper())
    ]


class NftablesFirewall(FirewallBackend):
    """A rule in the chain of nftables that is at the hook."""

    title = "nftables"
    files = (
        Kept("nftables.service", "/etc/sysconfig/nftables.conf"),
        Kept("nftables.service", "/etc/nftables.conf"),
    )

    @classmethod
    def decides(cls, chain: str, facts: Facts) -> bool:
        """Return whether a chain of nftables is at the hook."""
        return chain != DOCKER_USER and bool(own_chains(facts, chain.lower()))

    @classmethod
    def obstacle(cls, chain: str, facts: Facts) -> str:  # noqa: ARG003 - see FirewallBackend
        """Return nothing: where a chain is at the hook, it can have a rule."""
        return ""

    def refuse(self) -> None:
        """Refuse if several chains are at the hook: a packet must pass all of them."""
        if self._several:
            raise PlanRefused(
                self._several,
                hint="a packet has to pass all of them: let one chain decide, then run this again",
            )

    def observed(self) -> str:
        """Return what the chain has of the rule."""
        own = [rule for _, rule in self._own]
        chains = own_chains(self.facts, self._hook)
        named = any(rule.comment == self.wanted.comment for chain in chains for rule in chain.rules)
        # A chain that lets packets pass does not decide alone; nor is a rule absent that another chain has.
        if self._several and named and (self.wanted.action == "accept" or not self.wanted.present):
            return f"undecided: {self._several}"
        if not own:
            return "absent"
        listed = [self._normal(json.loads(rule.expression)) for rule in own]
        return "present" if listed == [self._normal(self._expression)] else f"differs: {own[0].expression}"

    def apply(self) -> str:
        """Replace the rule in one transaction; it is inserted before all others of its chain."""
        if self.observed() == ("present" if self.wanted.present else "absent"):
            return ""
        insert = f"printf '%s\\n' {shlex.quote(self._line)}; " if self.wanted.present else ""
        return f"{{ {self._deletions}; {insert}}} | nft --file -"

    def revert(self) -> str:
        """Remove whatever has the rule's name, then insert the former rules where they were."""
        if not self.apply():
            return ""
        former = [_transaction(number, self._former(rule)) for number, rule in self._own]
        return "\n".join([f"{self._deletions} | nft --file -", *former])

    def edited(self, text: str) -> str:
        """Return the file with a command at its end that inserts the rule, or without it."""
        own = f'comment "{self.wanted.comment}"'
        lines = physical_lines(text)
        mine = [line for line in lines if line.startswith("insert rule ") and line.rstrip().endswith(own)]
        kept = [line for line in lines if line not in mine]
        if other := next((line for line in kept if own in line and not line.lstrip().startswith("#")), ""):
            raise PlanRefused(
                f"{self.kept.path if self.kept else 'the file'} has this rule as part of a chain: {other.strip()!r}",
                hint="remove that line from the file by hand, then run this again",
            )
        if mine == [f"{self._line}\n"] * self.wanted.present:
            return text  # wherever it is: rules that were inserted later come before it
        if self.wanted.present:
            if kept and not kept[-1].endswith("\n"):
                kept[-1] += "\n"
            kept.append(f"{self._line}\n")
        return "".join(kept)

    def test(self, text: str) -> Command:
        """Return the command that checks the file as at boot, when there is nothing but what the file makes."""
        return Command(
            ("nft", "--check", "--file", "-"),
            stdin=f"flush ruleset\n{text}",
            sudo=True,
            purpose="test the rules for the next boot, without those of the running host; nothing is changed",
        )

    @property
    def _hook(self) -> str:
        return self.wanted.chain.lower()

    @property
    def _chain(self) -> NftChain:
        return own_chains(self.facts, self._hook)[0]

    @property
    def _several(self) -> str:
        """What there is if more than one chain is at the hook; empty: only one is."""
        chains = own_chains(self.facts, self._hook)
        names = ", ".join(f"{chain.family} {chain.table} {chain.name}" for chain in chains)
        return f"several chains of nftables have the hook {self._hook}: {names}" if len(chains) > 1 else ""

    @property
    def _place(self) -> dict[str, str]:
        return {"family": self._chain.family, "table": self._chain.table, "chain": self._chain.name}

    @property
    def _own(self) -> list[tuple[int, NftRule]]:
        """The rules with the wanted one's name, each with its position in the chain, from 0."""
        return [
            (number, rule)
            for number, rule in enumerate(self._chain.rules)
            if rule.comment == self.wanted.comment
        ]

    def _former(self, rule: NftRule) -> dict[str, Any]:
        return {**self._place, "comment": rule.comment, "expr": json.loads(rule.expression)}

    @property
    def _deletions(self) -> str:
        """Shell that prints a command for each rule with the wanted one's name; handles are known on the host only."""
        place = shlex.join(self._place.values())
        own = f's/.*comment "{re.escape(self.wanted.comment)}" # handle \\([0-9]*\\)$/delete rule {place} handle \\1/p'
        return f"nft --handle list chain {place} | sed -n {shlex.quote(own)}"

    @property
    def _line(self) -> str:
        place = " ".join(self._place.values())
        return f'insert rule {place} {self._text} comment "{self.wanted.comment}"'

    @property
    def _only_ipv4(self) -> bool:
        """Whether the rule has to say that it is about IPv4: a source address says so too."""
        return self._chain.family == "inet" and not self.wanted.source

    @property
    def _expression(self) -> list[Any]:
        """The rule in nftables' JSON."""
        wanted = self.wanted
        matches = [(_NFPROTO, "ipv4")] if self._only_ipv4 else []
        matches += [({"meta": {"key": "iifname"}}, wanted.interface)] if wanted.interface else []
        found: list[Any] = [_match(left, right) for left, right in matches]
        if wanted.source:
            network = ipaddress.IPv4Network(wanted.source)
            address = str(network.network_address)
            prefix = {"prefix": {"addr": address, "len": network.prefixlen}}
            single = network.prefixlen == network.max_prefixlen
            found.append(_match(_SOURCE, address if single else prefix))
        if wanted.port is not None:
            found.append(_match({"payload": {"protocol": wanted.protocol, "field": "dport"}}, wanted.port))
        return [*found, _REJECT if wanted.action == "reject" else {wanted.action: None}]

    def _normal(self, expression: list[Any]) -> list[Any]:
        """Return a rule in the form that the listings of all versions of nft have in common.

        nft 0.9 lists the usual ICMP message of `reject` as null. nft 1.0 leaves out that packets are IPv4 ones where
        the ICMP message says so.
        """
        ipv4 = _match(_NFPROTO, "ipv4")
        by_source = any("match" in item and item["match"]["left"] == _SOURCE for item in expression)
        only_ipv4 = self._chain.family == "ip" or ipv4 in expression or by_source
        normal = [_REJECT if only_ipv4 and item == {"reject": None} else item for item in expression]
        return [item for item in normal if item != ipv4 or _REJECT not in normal]

    @property
    def _text(self) -> str:
        """The rule in nft's own language."""
        wanted = self.wanted
        words = ["meta nfproto ipv4"] if self._only_ipv4 else []
        words += [f'iifname "{wanted.interface}"'] if wanted.interface else []
        words += [f"ip saddr {wanted.source}"] if wanted.source else []
        words += [f"{wanted.protocol} dport {wanted.port}"] if wanted.port is not None else []
        reject = "reject with icmp type port-unreachable"
        return " ".join([*words, reject if wanted.action == "reject" else wanted.action])


def _match(left: dict[str, Any], right: object) -> dict[str, Any]:
    return {"match": {"op": "==", "left": left, "right": right}}


def _transaction(number: int, rule: dict[str, Any]) -> str:
    """Return the shell line that inserts a rule at a position of its chain, from 0."""
    command = {"add": {"rule": {**rule, "index": number - 1}}} if number else {"insert": {"rule": rule}}
    text = json.dumps({"nftables": [command]}, sort_keys=True)
    return f"{shlex.join(('printf', '%s', text))} | nft --json --file -"
