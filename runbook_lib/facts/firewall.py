"""The host's packet filter: iptables' table `filter`, and the ruleset of nftables."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, load_json, parsing, typed
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["FilterTable", "IptablesFilter", "NftChain", "NftRule", "NftRuleset"]

_NOT_FOUND = 127
# A user's own search path may lack the programs' directory, and so may sudo's.
_FIND = 'PATH=$PATH:/usr/sbin:/sbin; command -v "$1" >/dev/null || exit 127; exec "$@"'


@dataclass(frozen=True)
class FilterTable:
    """Iptables' table `filter` for IPv4.

    Args:
        policies: Policy by chain; `-` for a chain that is not built in.
        rules: Each rule's words as iptables lists them, beginning with `-A` and its chain, in their order.
        legacy: Whether there are rules of iptables-legacy too, which this table does not have.
    """

    policies: dict[str, str]
    rules: tuple[tuple[str, ...], ...]
    legacy: bool = False


@dataclass(frozen=True)
class IptablesFilter(Fact[FilterTable | None]):
    """Iptables' table `filter` for IPv4; None without iptables, or if nft made a table of that name."""

    def request(self) -> Command:
        """Return the command."""
        listing = ("iptables", "--wait", "5", "--table", "filter", "--list-rules")
        return Command(("sh", "-c", _FIND, "sh", *listing), sudo=True, accept=(0, 1, _NOT_FOUND))

    def parse(self, output: Output) -> FilterTable | None:
        r"""Return chains and rules.

        >>> text = '-P INPUT ACCEPT\n-A INPUT -p tcp -m comment --comment "runbook ssh" -j DROP'
        >>> IptablesFilter().parse(Output(0, text)).rules[0][-4:]
        ('--comment', 'runbook ssh', '-j', 'DROP')
        """
        if output.exit_code == _NOT_FOUND or "is incompatible, use 'nft' tool" in output.stderr:
            return None
        if output.exit_code != 0:
            raise FactError(f"iptables: exit code {output.exit_code}: {excerpt(output.stderr.strip(), 200)}")
        policies: dict[str, str] = {}
        rules: list[tuple[str, ...]] = []
        for line in lines_of(output.stdout):
            with parsing("iptables"):
                words = tuple(shlex.split(line))
            match words:
                case ("-P", chain, policy):
                    policies[chain] = policy
                case ("-N", chain):
                    policies[chain] = "-"
                case ("-A", _, _, *_):
                    rules.append(words)
                case _:
                    raise FactError(f"iptables: unexpected output {excerpt(line, 80)!r}")
        if not policies:
            raise FactError("iptables: no chains in its output")
        return FilterTable(policies, tuple(rules), "legacy tables present" in output.stderr)


@dataclass(frozen=True)
class NftRule:
    """A rule of nftables; without its handle, which is another one once the rule was removed and inserted again.

    Args:
        comment: Its comment; empty without one.
        expression: What it matches and does, as the text of nftables' JSON with sorted keys; without counts.
    """

    comment: str
    expression: str


@dataclass(frozen=True)
class NftChain:
    """A chain of nftables; the chains that iptables made are among them.

    Args:
        family: As `inet`.
        table: Its table's name.
        name: Its name.
        hook: Where packets enter it, as `input`; empty for a chain that only other chains lead to.
        policy: What happens to packets that no rule decides on; empty without a hook.
        rules: In their order.
        kind: What it is for, as `filter` or `nat`; empty without a hook.
    """

    family: str
    table: str
    name: str
    hook: str
    policy: str
    rules: tuple[NftRule, ...]
    kind: str


@dataclass(frozen=True)
class NftRuleset(Fact[tuple[NftChain, ...] | None]):
    """The chains of nftables with their rules; None if the host has no nft."""

    def request(self) -> Command:
        """Return the command."""
        listing = ("nft", "--json", "list", "ruleset")
        return Command(("sh", "-c", _FIND, "sh", *listing), sudo=True, accept=(0, _NOT_FOUND))

    def parse(self, output: Output) -> tuple[NftChain, ...] | None:
        """Return the chains in the order of the ruleset."""
        if output.exit_code == _NOT_FOUND:
            return None
        listed = load_json(output, "nft")
        with parsing("nft"):
            items = [typed(dict, item) for item in typed(list, listed["nftables"])]
            rules: dict[tuple[str, str, str], list[NftRule]] = {}
            for item in items:
                if "rule" in item:
                    rule = typed(dict, item["rule"])
                    place = tuple(typed(str, rule[key]) for key in ("family", "table", "chain"))
                    rules.setdefault((place[0], place[1], place[2]), []).append(_rule(rule))
            return tuple(_chain(typed(dict, item["chain"]), rules) for item in items if "chain" in item)


def _rule(rule: dict[str, Any]) -> NftRule:
    return NftRule(
        comment=typed(str, rule.get("comment", "")),
        expression=json.dumps(
            [_without_count(item) for item in typed(list, rule.get("expr", []))], sort_keys=True
        ),
    )


def _without_count(item: dict[str, Any]) -> dict[str, Any]:
    """Return a part of a rule without what it has counted: that is another number with each packet."""
    return {"counter": None} if isinstance(item.get("counter"), dict) else item


def _chain(chain: dict[str, Any], rules: dict[tuple[str, str, str], list[NftRule]]) -> NftChain:
    family, table, name = (typed(str, chain[key]) for key in ("family", "table", "name"))
    return NftChain(
        family,
        table,
        name,
        typed(str, chain.get("hook", "")),
        typed(str, chain.get("policy", "")),
        tuple(rules.get((family, table, name), ())),
        typed(str, chain.get("type", "")),
    )
