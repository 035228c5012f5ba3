"""Rules of a firewall: refused arguments, and the scripts that the host runs, forward and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.errors import ParameterError, PlanRefused
from runbook_lib.operations import firewall
from runbook_lib.operations.firewalls.firewall_iptables import IptablesFirewall
from runbook_lib.operations.firewalls.firewall_nftables import NftablesFirewall
from tests.operations.test_operation_cases import case, facts_of, make

if TYPE_CHECKING:
    from runbook_lib.model.plans import Plan

CASES = Path(__file__).parent / "FirewallRule"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"port": None}, "the rule would match every packet"),
        ({"port": 0}, "0 is not a port"),
        ({"port": 65536}, "65536 is not a port"),
        ({"name": "two words"}, "'two words' cannot be a rule's name"),
        ({"name": 'a"; flush ruleset; "'}, "cannot be a rule's name"),
        ({"name": ""}, "'' cannot be a rule's name"),
        ({"action": "deny"}, "action 'deny' is not known"),
        ({"protocol": "icmp"}, "protocol 'icmp' is not known"),
        ({"source": "10.0.0.1/8"}, "is not an IPv4 network"),
        ({"source": "fd07::/64"}, "is not an IPv4 network"),
        ({"source": "office"}, "is not an IPv4 network"),
        ({"source": "0.0.0.0/0"}, "source 0.0.0.0/0 is every address"),
        ({"interface": "em1 accept"}, "'em1 accept' is not an interface"),
        ({"interface": "a-name-of-sixteen"}, "is not an interface"),
        ({"chain": "OUTPUT"}, "chain 'OUTPUT' is not known"),
        ({"chain": "DOCKER"}, "DOCKER is a chain of Docker's own"),
        ({"chain": "DOCKER-ISOLATION-STAGE-1"}, "DOCKER-ISOLATION-STAGE-1 is a chain of Docker's own"),
        ({"revert_after": 1.0}, "revert_after is 1 s"),
    ],
)
def test_arguments_that_no_rule_can_have_are_refused(given: dict[str, Any], why: str) -> None:
    valid: dict[str, Any] = {"name": "redis", "action": "drop", "port": 6379}
    firewall.rule(**valid)
    with pytest.raises(ParameterError, match=r"firewall\.rule") as refused:
        firewall.rule(**{**valid, **given})
    assert why in refused.value.message
    assert refused.value.hint


def plan(name: str, **facts: Any) -> Plan:  # noqa: ANN401 - the value of any fact
    loaded = case(CASES / f"{name}.json")
    operation = make(loaded)
    return operation.plan(facts_of(operation, {**loaded["facts"], **facts}))


def test_a_firewall_that_is_listed_is_asked_whether_it_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    class Third(IptablesFirewall):
        title = "a third"

    monkeypatch.setattr(firewall, "BACKENDS", (NftablesFirewall, Third))
    with pytest.raises(PlanRefused, match="both nftables and a third filter the packets"):
        plan("both_filter")


def script(planned: Plan, name: str) -> list[str]:
    """The lines of a script that the change puts on the host, without those of the mechanism itself."""
    assert planned.guard is not None
    writes = [command for command in planned.guard.arm if command.stdin is not None]
    (text,) = [command.stdin or "" for command in writes if any(word.endswith(name) for word in command.argv)]
    return [line for line in text.splitlines() if line.startswith(("iptables ", "nft ", "{ nft ", "printf "))]


def test_iptables_restores_a_rule_at_its_former_position() -> None:
    before = case(CASES / "iptables_differs.json")["facts"]["IptablesFilter"]
    first = ["-A", "INPUT", "-i", "lo", "-j", "ACCEPT"]
    planned = plan("iptables_differs", IptablesFilter={**before, "rules": [first, *before["rules"]]})
    rule = "-s 10.0.0.0/8 -p tcp -m tcp --dport 6379 -m comment --comment 'runbook redis' -j"
    assert script(planned, "apply.sh") == [
        f"iptables --wait 5 -D INPUT {rule} ACCEPT",
        f"iptables --wait 5 -I INPUT 1 {rule} DROP",
    ]
    assert script(planned, "revert.sh") == [
        f"iptables --wait 5 -D INPUT {rule} DROP 2>/dev/null",
        f"iptables --wait 5 -C INPUT {rule} ACCEPT 2>/dev/null || iptables --wait 5 -I INPUT 2 {rule} ACCEPT",
    ]


def test_nftables_replaces_a_rule_in_one_transaction_and_restores_it_at_its_former_position() -> None:
    planned = plan("nftables_differs")
    (forward,) = script(planned, "apply.sh")
    find = "nft --handle list chain inet filter input | sed -n "
    line = 'insert rule inet filter input ip saddr 10.0.0.0/8 tcp dport 6379 drop comment "runbook redis"'
    assert forward.startswith(f"{{ {find}")
    assert forward.endswith(f"; printf '%s\\n' '{line}'; }} | nft --file -")
    remove, restore = script(planned, "revert.sh")
    assert remove.startswith(find)
    assert remove.endswith(" | nft --file -")
    (command,) = json.loads(restore.removeprefix("printf %s '").partition("' | nft")[0])["nftables"]
    assert command["add"]["rule"]["index"] == 0  # after the first rule
    assert command["add"]["rule"]["expr"][1]["match"]["right"] == 6380


def test_a_first_rule_of_nftables_is_restored_as_the_first_one() -> None:
    _, restore = script(plan("nftables_removed"), "revert.sh")
    assert restore.startswith('printf %s \'{"nftables": [{"insert": ')


def test_only_the_file_is_changed_if_the_ruleset_is_in_the_desired_state() -> None:
    planned = plan("iptables_only_in_the_ruleset")
    assert script(planned, "apply.sh") == script(planned, "revert.sh") == []


@pytest.mark.parametrize(
    ("name", "argv", "before"),
    [
        ("iptables_kept", ("iptables-restore", "--wait", "5", "--test"), ""),
        ("nftables_kept", ("nft", "--check", "--file", "-"), "flush ruleset\n"),
    ],
)
def test_the_file_for_the_next_boot_is_tested_before_anything_is_changed(
    name: str, argv: tuple[str], before: str
) -> None:
    planned = plan(name)
    assert planned.guard is not None
    (test,) = planned.guard.preflight
    assert (test.argv, test.stdin) == (argv, before + str(planned.changes[0].after))
