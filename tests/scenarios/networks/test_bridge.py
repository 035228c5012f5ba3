"""A bridge on every network stack: reverted as a whole, or made with all that the port had, and only once."""

from __future__ import annotations

import re

import pytest

from runbook_lib.facts.interface_manager import (
    IFUPDOWN,
    NETPLAN_NETWORKD,
    NETPLAN_NETWORKMANAGER,
    NETWORKD,
    NETWORKMANAGER,
    InterfaceManager,
    Manager,
)
from runbook_lib.model.status import Status
from tests.scenarios.networks.hosts import EACH_RELEASE, RICH, STACKS, Networks

pytestmark = [
    pytest.mark.lab,
    pytest.mark.scenario,
    pytest.mark.networks,
    pytest.mark.in_order,
    EACH_RELEASE,
]

MANAGERS = dict(
    zip(STACKS, (IFUPDOWN, NETWORKD, NETPLAN_NETWORKD, NETPLAN_NETWORKMANAGER, NETWORKMANAGER), strict=True)
)


PROFILE = "/etc/NetworkManager/system-connections/em1.nmconnection"
REFUSED = {
    # host: what is wrong there, how it is repaired, what the refusal says
    "ifupdown": (
        "ip link add br0 type veth peer name br0x",
        "ip link delete br0",
        "is not a bridge, but veth",
    ),
    "networkd": (
        "echo 'iface em1 inet dhcp' > /etc/network/interfaces.d/em1",
        "rm /etc/network/interfaces.d/em1",
        "em1 and br0 are configured by ifupdown and systemd-networkd",
    ),
    "netplan": (
        "sed -i.kept 's/renderer: .*/renderer: sysctl/' /etc/netplan/50-installer.yaml",
        "mv /etc/netplan/50-installer.yaml.kept /etc/netplan/50-installer.yaml",
        "netplan refuses its own files: .*renderer",
    ),
    "netplan-nm": (
        "cp -a /etc/netplan/50-installer.yaml /root/kept; echo '   x: [' >> /etc/netplan/50-installer.yaml",
        "mv /root/kept /etc/netplan/50-installer.yaml",
        "netplan refuses its own files: ",
    ),
    "nm": (
        f"cp -a {PROFILE} /root/kept; printf '[802-1x]\\npassword=PLAINLY\\n' >> {PROFILE}",
        f"mv /root/kept {PROFILE}",
        "em1.nmconnection holds a password or a key",
    ),
}


def test_what_cannot_be_changed_without_loss_is_refused_by_name(networks: Networks) -> None:
    for host, (harm, _, _) in REFUSED.items():
        networks.on(host, harm)
    records = networks.apply()
    for host, (_, repair, _) in REFUSED.items():
        networks.on(host, repair)
    for host, record in records.items():
        assert record.status is Status.FAILED, host
        assert re.search(REFUSED[host][2], record.message), f"{host}: {record.message}"
        assert {command.kind for command in record.commands} == {"fact"}, host
        assert "PLAINLY" not in record.model_dump_json(), host


def test_a_wrong_gateway_is_reverted_on_every_stack(networks: Networks) -> None:
    networks.enrich()
    before = networks.states()
    for host, record in networks.apply(wanted=lambda _: {"gateway": "192.168.7.253"}).items():
        assert record.status is Status.FAILED, host
        assert "ping to the gateway 192.168.7.253: expected a reply, observed no reply" in record.message, (
            host
        )
        assert "the change was rolled back" in record.message, f"{host}: {record.message}"
        managers = InterfaceManager.recorded(record.facts)
        assert Manager(**managers["em1"]).names == (MANAGERS[host],)
        assert Manager(**managers["br0"]).names == ()
    for host in STACKS:
        networks.wait_for_state(host, before[host], seconds=60)


def test_the_bridge_has_all_that_the_port_had_on_every_stack(networks: Networks) -> None:
    for host, record in networks.apply().items():
        assert record.status is Status.CHANGED, f"{host}: {record.message}"
    for number, (host, state) in enumerate(networks.states().items(), start=41):
        addresses = [line for line in state.splitlines() if line.startswith(("em1", "br0"))]
        assert addresses == [
            f"br0 10.9.0.{number}/24", f"br0 192.168.7.{number}/20", f"br0 fd07::{number}/64",
        ], host  # fmt: skip
        assert "default via 192.168.7.254 dev br0\n" in state, host
        assert "10.10.0.0/16 via 192.168.7.254 dev br0\n" in state, host
        assert "MTU 1400\n" in state, host
        assert "runbook" not in state, host


def test_what_the_change_does_not_mean_is_the_same_byte_for_byte(networks: Networks) -> None:
    for host in ("networkd", "nm"):
        path, text, _ = RICH[host]
        number = str(41 + STACKS.index(host))
        assert networks.on(host, f"cat {path}") == text.replace("ADDRESS", f"192.168.7.{number}").replace(
            "ID", number
        )
    for host in ("netplan", "netplan-nm"):
        lines = networks.on(host, f"cat {RICH[host][0]}")
        for kept in (
            "# The network, as the network team wants it.\n",
            "    em1:   # the uplink\n",
            "   # the host's own\n",
            "    # the second cable\n    em2:\n",
        ):
            assert kept in lines, host


def test_a_second_run_changes_nothing(networks: Networks) -> None:
    for host, record in networks.apply().items():
        assert record.status is Status.OK, f"{host}: {record.message}"
        assert {command.kind for command in record.commands} == {"fact"}, host


def test_the_bridge_outlives_a_reboot(networks: Networks) -> None:
    for host in STACKS:
        networks.lab.restart(host)
    for host, record in networks.apply(mode="validate").items():
        assert record.status is Status.OK, f"{host}: {record.message}"
