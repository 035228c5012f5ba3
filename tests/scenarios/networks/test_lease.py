"""A host by DHCP: its bridge keeps the lease; one that the server gives another address reverts, and is not lost."""

from __future__ import annotations

from ipaddress import IPv4Interface
from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.switch import mac_address
from runbook_lib.model.status import Status
from tests.deadlines import wait_until
from tests.scenarios.networks.dhcp_server import DhcpServer
from tests.scenarios.networks.hosts import EACH_RELEASE, RICH, STACKS, Networks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.lab.lab import Lab

pytestmark = [
    pytest.mark.lab,
    pytest.mark.scenario,
    pytest.mark.networks,
    pytest.mark.in_order,
    EACH_RELEASE,
]

HOSTS = [
    stack for stack in STACKS if stack != "ifupdown"
]  # with it the bridge has a static address: no lease
_NETPLAN = "network: {version: 2, renderer: RENDERER, ethernets: {em1: {dhcp4: true, accept-ra: false}}}\n"
BY_DHCP = {
    "networkd": "[Match]\nName=em1\n\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\n",
    "netplan": _NETPLAN.replace("RENDERER", "networkd"),
    "netplan-nm": _NETPLAN.replace("RENDERER", "NetworkManager"),
    "nm": "[connection]\nid=em1\ntype=ethernet\ninterface-name=em1\n\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=disabled\n",
}


def own_address(host: str) -> str:
    return f"192.168.7.{41 + STACKS.index(host)}"


@pytest.fixture(scope="module")
def server(networks_lab: Lab) -> Iterator[DhcpServer]:
    macs = {host: mac_address(networks_lab.name, host, "em1") for host in HOSTS}
    leases = {mac: own_address(host) for host, mac in macs.items()}
    own = IPv4Interface("192.168.7.254/20")
    with DhcpServer(networks_lab.paths.control, own, leases) as answering:
        yield answering


def has_lease(networks: Networks, host: str, interface: str) -> bool:
    shown = networks.on(host, f"ip -4 -o address show dev {interface}", check=False)
    return f"{own_address(host)}/20" in shown and "dynamic" in shown


def test_a_bridge_that_gets_another_lease_is_reverted(networks: Networks, server: DhcpServer) -> None:
    for host in HOSTS:
        path, _, applied = RICH[host]
        networks.on(host, f"cat > {path} <<'EOF'\n{BY_DHCP[host]}EOF\n")
        # The connection of this command ends with the address.
        networks.on(host, f"systemd-run --quiet --on-active=1 sh -c '{applied}'")
    for host in HOSTS:
        wait_until(lambda host=host: has_lease(networks, host, "em1") or None, f"{host}: its first lease")  # type: ignore[misc]
    before = networks.states(HOSTS)
    for host in HOSTS:
        server.others[mac_address(networks.lab.name, host, "em1")] = f"192.168.7.1{41 + STACKS.index(host)}"
    records = networks.apply(HOSTS)
    for host, record in records.items():
        mac = mac_address(networks.lab.name, host, "em1")
        assert record.status is Status.FAILED, f"{host}: {record.message}"
        assert (mac, f"192.168.7.1{41 + STACKS.index(host)}") in server.given, f"{host} got no other lease"
        networks.wait_for_state(host, before[host], seconds=90)


def test_a_bridge_that_gets_the_same_lease_keeps_it(networks: Networks) -> None:
    records = networks.apply(HOSTS)
    for host, record in records.items():
        assert record.status is Status.CHANGED, f"{host}: {record.message}"
        assert has_lease(networks, host, "br0"), host
    assert {record.status for record in networks.apply(HOSTS).values()} == {Status.OK}
