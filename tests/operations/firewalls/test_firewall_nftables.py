"""Rules of nftables as nft itself lists them: recorded listings of two versions, and an nft of this machine."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from typing import Any

import pytest

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.base import Fact, Facts
from runbook_lib.facts.file import FileText
from runbook_lib.facts.firewall import NftRuleset
from runbook_lib.facts.service import Service, ServiceState
from runbook_lib.model.commands import Output
from runbook_lib.operations.firewalls.firewall_backend import WantedRule
from runbook_lib.operations.firewalls.firewall_nftables import NftablesFirewall, own_chains
from tests.deadlines import deadline

NFT = shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
NEEDS_NFT = pytest.mark.skipif(
    NFT is None or os.geteuid() != 0, reason="needs root, and nft: apt-get install nftables"
)
PORT = {"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 5353}}
IPV4 = {"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": "ipv4"}}
IPV6 = {"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": "ipv6"}}
SOURCE = {
    "match": {
        "op": "==",
        "left": {"payload": {"protocol": "ip", "field": "saddr"}},
        "right": {"prefix": {"addr": "172.20.0.0", "len": 14}},
    }
}
REJECT = {"reject": {"type": "icmp", "expr": "port-unreachable"}}
NULL = {"reject": None}


def chain(family: str, table: str = "mine", kind: str = "filter") -> dict[str, Any]:
    where = {"family": family, "table": table, "name": "own", "handle": 1}
    return {"chain": {**where, "type": kind, "hook": "input", "prio": 0, "policy": "accept"}}


def rule(family: str, *expression: dict[str, Any], table: str = "mine") -> dict[str, Any]:
    where = {"family": family, "table": table, "chain": "own", "handle": 7}
    return {"rule": {**where, "comment": "runbook mdns", "expr": list(expression)}}


def firewall(*listed: dict[str, Any], **wanted: Any) -> NftablesFirewall:  # noqa: ANN401 - arguments of any type
    ruleset = NftRuleset().parse(Output(0, json.dumps({"nftables": list(listed)})))
    of_rule = {"action": "reject", "port": 5353, "protocol": "udp", "source": "", "interface": "", **wanted}
    (unit,) = {Service(kept.unit) for kept in NftablesFirewall.files}
    facts: dict[Fact[Any], Any] = {
        NftRuleset(): ruleset,
        unit: ServiceState(loaded=True, active="active", enabled=True),
        **{FileText(kept.path): "" for kept in NftablesFirewall.files},
    }
    return NftablesFirewall(WantedRule("mdns", chain="INPUT", **{"present": True, **of_rule}), Facts(facts))


@pytest.mark.parametrize(
    ("family", "source", "listed"),
    [
        ("inet", "", [PORT, REJECT]),  # nft 1.0.6
        ("inet", "", [IPV4, PORT, REJECT]),
        ("inet", "", [IPV4, PORT, NULL]),  # nft 0.9.8
        ("ip", "", [PORT, REJECT]),
        ("ip", "", [PORT, NULL]),
        ("inet", "172.20.0.0/14", [SOURCE, PORT, REJECT]),
        ("inet", "172.20.0.0/14", [SOURCE, PORT, NULL]),
    ],
)
def test_a_reject_is_recognized_as_each_version_of_nft_lists_it(
    family: str, source: str, listed: list[dict[str, Any]]
) -> None:
    own = firewall(chain(family), rule(family, *listed), source=source)
    assert own.observed() == "present"
    assert own.apply() == ""


@pytest.mark.parametrize(
    "listed",
    [
        [PORT, NULL],  # of IPv6 packets too
        [IPV6, PORT, NULL],
        [IPV4, PORT, {"reject": {"type": "icmp", "expr": "host-unreachable"}}],
        [IPV4, PORT, {"drop": None}],
        [IPV4, REJECT],
        [],
    ],
)
def test_another_rule_of_that_name_differs(listed: list[dict[str, Any]]) -> None:
    assert firewall(chain("inet"), rule("inet", *listed)).observed().startswith("differs: ")


def test_that_packets_are_of_ipv4_counts_where_the_verdict_does_not_say_so() -> None:
    without = firewall(chain("inet"), rule("inet", PORT, {"drop": None}), action="drop")
    assert without.observed().startswith("differs: ")


def nft(script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a script in a network namespace of its own, so with a ruleset of its own."""
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", f"PATH=$PATH:/usr/sbin:/sbin\n{script}"],
        capture_output=True, text=True, check=False, timeout=deadline(30),
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stderr
    return done


@NEEDS_NFT
@pytest.mark.parametrize("family", ["inet", "ip"])
@pytest.mark.parametrize("action", ["accept", "drop", "reject"])
@pytest.mark.parametrize(("source", "interface"), [("", ""), ("172.20.0.0/14", "ens3"), ("", "ens3")])
def test_nft_lists_a_rule_so_that_it_is_recognized(
    family: str, action: str, source: str, interface: str
) -> None:
    chosen = {"action": action, "source": source, "interface": interface}
    made = f"nft add table {family} mine; nft 'add chain {family} mine own {{ type filter hook input priority 0; }}'"
    apply = firewall(chain(family), **chosen).apply()
    listed = json.loads(nft(f"set -e\n{made}\n{apply}\nnft --json list ruleset").stdout)["nftables"]
    assert firewall(*listed, **chosen).observed() == "present"


HEAD = "#!/usr/sbin/nft -f\n"
FLUSH = "add table {family} mine\nflush table {family} mine\n"
CHAIN = "table {family} mine {{\n  chain own {{\n    type filter hook input priority 0\n  }}\n}}\n"
OTHER = "table {family} theirs {{\n  chain own {{\n    type filter hook input priority 10; policy drop\n  }}\n}}\n"


@NEEDS_NFT
@pytest.mark.parametrize("family", ["inet", "ip"])
@pytest.mark.parametrize(
    ("text", "loads"),
    [
        (HEAD + CHAIN, True),
        (HEAD + FLUSH + CHAIN, True),
        (f"{HEAD}flush ruleset\n{CHAIN}", True),
        (HEAD + OTHER, False),  # the running host has the chain, but not by this file
        (f"{HEAD}flush ruleset\n{OTHER}", False),
        (HEAD + FLUSH, False),
    ],
)
def test_a_file_is_judged_as_at_boot_and_the_running_ruleset_stays(
    text: str,
    family: str,
    loads: bool,  # noqa: FBT001 - a case
) -> None:
    own = firewall(chain(family), action="drop")
    kept = own.edited(text.format(family=family))
    test = own.test(kept)
    running = f"nft add table {family} mine; nft 'add chain {family} mine own {{ type filter hook input priority 0; }}'"
    judge = f"printf %s {shlex.quote(str(test.stdin))} | {test.text}"
    assert (nft(f"printf %s {shlex.quote(kept)} | nft -f -", check=False).returncode == 0) is loads, "at boot"
    done = nft(f"{running}\n{judge}\ncode=$?\nnft list ruleset\nexit $code", check=False)
    assert (done.returncode == 0) is loads
    assert "chain own" in done.stdout


@pytest.mark.parametrize("present", [True, False])
def test_a_file_that_has_the_rule_as_part_of_a_chain_is_refused(present: bool) -> None:  # noqa: FBT001 - a case
    """Such as one that `nft list ruleset` has written: the rule would be there twice, or still be there."""
    listed = 'table inet mine {\n  chain own {\n    udp dport 5353 drop comment "runbook mdns"\n  }\n}\n'
    own = firewall(chain("inet"), action="drop", present=present)
    with pytest.raises(
        PlanRefused, match=r"nftables\.conf has this rule as part of a chain: 'udp dport 5353 drop"
    ):
        own.edited(listed)


@pytest.mark.parametrize("verdict", ["accept", "drop", "reject"])
@pytest.mark.parametrize("first", [True, False])
def test_a_rule_that_lets_packets_pass_does_not_hold_if_a_second_chain_may_drop_them(
    verdict: str,
    first: bool,  # noqa: FBT001 - a case
) -> None:
    expression: list[dict[str, Any]] = [IPV4, PORT, REJECT if verdict == "reject" else {verdict: None}]
    chains = [chain("inet"), chain("inet", "fail2ban")]
    own = firewall(*(chains if first else chains[::-1]), rule("inet", *expression), action=verdict)
    both = "several chains of nftables have the hook input: inet "
    if verdict == "accept":
        assert own.observed().startswith(f"undecided: {both}")
        assert "inet fail2ban own" in own.observed()
    elif first:
        assert own.observed() == "present", "no other chain lets the packets pass"
    with pytest.raises(PlanRefused, match=both):
        own.refuse()


def test_a_rule_is_not_absent_as_long_as_any_chain_has_it() -> None:
    chains = (chain("inet"), chain("ip", "theirs"))
    assert firewall(*chains, present=False).observed() == "absent"
    left = firewall(*chains, rule("ip", PORT, REJECT, table="theirs"), present=False)
    assert left.observed() == (
        "undecided: several chains of nftables have the hook input: inet mine own, ip theirs own"
    )


def test_only_chains_that_filter_get_rules() -> None:
    ruleset = NftRuleset().parse(
        Output(0, json.dumps({"nftables": [chain("ip", "nat64", "nat"), chain("inet")]}))
    )
    assert [found.table for found in own_chains(Facts({NftRuleset(): ruleset}), "input")] == ["mine"]


@NEEDS_NFT
def test_nft_says_what_a_chain_is_for() -> None:
    made = "nft add table ip mine; nft 'add chain ip mine own { type nat hook input priority 100; }'"
    found = NftRuleset().parse(Output(0, nft(f"{made}\nnft --json list ruleset").stdout))
    assert found
    assert [item.kind for item in found] == ["nat"]
    assert own_chains(Facts({NftRuleset(): found}), "input") == []


def test_only_a_line_feed_ends_a_line_of_the_file() -> None:
    own = firewall(chain("inet"))
    before = f"# the old host\u2028{own.edited('')}"
    assert own.edited(before) == before + own.edited("")
