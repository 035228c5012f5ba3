"""A rule of the firewall on two practice hosts: iptables on nf_tables on one, nftables on the other."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import StepFailed
from runbook_lib.model.status import Status
from runbook_lib.operations import firewall
from tests.deadlines import deadline
from tests.runbook.practice import parameters

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.scenario, pytest.mark.examples]
APT = "sudo DEBIAN_FRONTEND=noninteractive apt-get -qq"
INSTALL = f"{APT} update && {APT} install --yes --no-install-recommends"
PREPARE = {
    "host-a": f"{INSTALL} iptables",
    "host-b": f"{INSTALL} nftables && sudo systemctl enable --now nftables.service",
}
STATE = {
    "host-a": "sudo iptables --list-rules",
    "host-b": "sudo nft list ruleset; cat /etc/nftables.conf",
}
LEFT = "; sudo find /var/lib /etc/systemd/system -name 'runbook-*' -o -path '*/runbook/network/*'"


def on(lab: Lab, scripts: dict[str, str]) -> dict[str, str]:
    """Run a script on each host at the same time, and return what they print."""

    def run(host: str) -> str:
        command = lab.ssh_command(host, [scripts[host]])
        done = subprocess.run(command, capture_output=True, text=True, timeout=deadline(120), check=False)
        assert done.returncode == 0, f"{host}: {done.stderr}"
        return done.stdout

    with ThreadPoolExecutor() as pool:
        return dict(zip(scripts, pool.map(run, scripts), strict=True))


def state(lab: Lab) -> dict[str, str]:
    return on(lab, {host: script + LEFT for host, script in STATE.items()})


@pytest.fixture(scope="module")
def filtered(fresh_lab: Lab) -> Lab:
    on(fresh_lab, PREPARE)
    return fresh_lab


def step(lab: Lab, runs: Path, *rules: firewall.Rule) -> list[set[Status]]:
    """Carry out one step for each rule on both hosts, and return the statuses of each step."""
    book = Runbook.open(parameters(runs, inventory=str(lab.inventory), hosts="host-a,host-b"))
    for rule in rules:
        book.step(rule.name, rule)
    book.close()
    return [{host.status for host in done.hosts} for done in book.record.steps]


def test_a_rule_is_made_once_restored_if_its_change_locks_us_out_and_removed(
    filtered: Lab, tmp_path: Path
) -> None:
    untouched = state(filtered)
    ssh = firewall.rule("ssh", "accept", port=22)
    redis = firewall.rule("redis", "reject", port=6379, source="10.0.0.0/8", interface="em1")
    smtp = firewall.rule("smtp", "reject", port=25)
    assert step(filtered, tmp_path, ssh, redis, smtp) == [{Status.CHANGED}] * 3
    assert step(filtered, tmp_path, ssh, redis, smtp) == [{Status.OK}] * 3, "a file has a rule anywhere"
    before = state(filtered)
    assert all("runbook ssh" in text and "runbook redis" in text for text in before.values())

    book = Runbook.open(parameters(tmp_path, inventory=str(filtered.inventory), hosts="host-a,host-b"))
    with pytest.raises(StepFailed, match="not confirmed"):
        book.step("Lock out", firewall.rule("ssh", "drop", port=22, revert_after=10))
    hosts = book.record.steps[0].hosts
    assert [host.message.endswith("the change was rolled back") for host in hosts] == [True, True]
    assert state(filtered) == before, "its rule is the last of ours in the chain, as before"

    gone = [
        firewall.rule(rule.name, rule.action, port=rule.port, present=False) for rule in (ssh, redis, smtp)
    ]
    assert step(filtered, tmp_path, *gone) == [{Status.CHANGED}] * 3
    assert state(filtered) == untouched


def test_a_rule_is_kept_across_a_power_cut_by_the_host_that_loads_rules_at_boot(
    filtered: Lab, tmp_path: Path
) -> None:
    rule = firewall.rule("web", "drop", port=80)
    book = Runbook.open(parameters(tmp_path, inventory=str(filtered.inventory), hosts="host-a,host-b"))
    done = book.step("Web", rule)
    kept = {
        host.host: check.observed
        for host in done.hosts
        for check in host.checks
        if check.id == "firewall.kept"
    }
    assert kept == {
        "host-a": "lost: no unit of the host loads rules at boot",
        "host-b": "present, by /etc/nftables.conf",
    }
    with ThreadPoolExecutor() as pool:
        list(pool.map(filtered.restart, ("host-a", "host-b")))
    again = Runbook.open(
        parameters(tmp_path, inventory=str(filtered.inventory), hosts="host-a,host-b", mode="validate")
    )
    with pytest.raises(StepFailed):
        again.step("Web", rule)
    assert {host.host: host.status for host in again.record.steps[0].hosts} == {
        "host-a": Status.FAILED,
        "host-b": Status.OK,
    }
