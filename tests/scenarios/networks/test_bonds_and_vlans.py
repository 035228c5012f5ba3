"""A bond and a VLAN's own interface as ports of bridges, on a VM: this machine's kernel may have neither."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.switch import plug_vm
from runbook_lib.lab.testing import reason_to_skip, running_lab
from runbook_lib.lab.topology import HostPlan, Interface
from runbook_lib.model.status import Status
from tests.aftermath import AFTERMATH
from tests.deadlines import deadline, wait_until
from tests.lab_names import lab_name
from tests.scenarios.networks.hosts import Networks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.vm, pytest.mark.in_order]

HOST = "trunk"
TOPOLOGY = """\
control: {vlan: 101, address: 192.168.7.254/20}
hosts:
  trunk:
    kind: vm
    interfaces:
      em1: {vlan: 101, address: 192.168.7.46/20, gateway: 192.168.7.254}
      em2: {vlan: 101}
      em3: {vlan: 103}
    variables: {bridge_address: 192.168.7.46/20, gateway: 192.168.7.254}
"""
TAG = 7
REVERTS_AFTER = 120.0  # seconds: without hardware virtualization, ifupdown takes 15 on an idle machine
BOND = {"name": "br0", "port": "bond0", "revert_after": REVERTS_AFTER}
VLAN = {
    "name": "br7",
    "port": f"em3.{TAG}",
    "address": "10.9.0.46/24",
    "gateway": None,
    "revert_after": REVERTS_AFTER,
}
_INTERFACES = """\
# Two cables to the same switch, and a trunk.
auto lo
iface lo inet loopback

auto bond0
iface bond0 inet static
    address 192.168.7.46/20
    gateway 192.168.7.254
    bond-slaves em1 em2
    bond-mode active-backup
    bond-miimon 100

auto em3.7
iface em3.7 inet static
    address 10.9.0.46/24
    vlan-raw-device em3
"""
_NETWORKD = {
    "50-bond0.netdev": "[NetDev]\nName=bond0\nKind=bond\n\n[Bond]\nMode=active-backup\nMIIMonitorSec=100ms\n",
    "50-cables.network": "# Two cables to the same switch.\n[Match]\nName=em1 em2\n\n[Network]\nBond=bond0\n",
    "50-bond0.network": "[Match]\nName=bond0\n\n[Network]\nAddress=192.168.7.46/20\nGateway=192.168.7.254\n",
    "50-em3.network": "[Match]\nName=em3\n\n[Network]\nLinkLocalAddressing=no\nVLAN=em3.7\n",
    "50-em3.7.netdev": "[NetDev]\nName=em3.7\nKind=vlan\n\n[VLAN]\nId=7\n",
    "50-em3.7.network": "[Match]\nName=em3.7\n\n[Network]\nAddress=10.9.0.46/24\n",
}
_SEES = "ip -brief -details link show; ip -brief address show; cat /proc/net/bonding/bond0"


def _written(name: str, text: str) -> str:
    return f"cat > {name} <<'EOF'\n{text}EOF\n"


INSTALLED = {
    "ifupdown": _written("/etc/network/interfaces", _INTERFACES)
    + "apt-get -q --error-on=any update && apt-get -q -y install ifenslave vlan",
    "networkd": "".join(_written(f"/etc/systemd/network/{name}", text) for name, text in _NETWORKD.items())
    + "printf 'auto lo\\niface lo inet loopback\\n' > /etc/network/interfaces\n"
    + "systemctl enable systemd-networkd",
}
"""For each stack: what makes the bond with the host's address and the VLAN's interface, from the next boot on."""


@pytest.fixture(scope="module")
def trunk_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    reason = reason_to_skip("vm") or reason_to_skip()
    if reason:
        pytest.skip(reason)
    file = tmp_path_factory.mktemp("trunk") / "topology.yml"
    file.write_text(TOPOLOGY, encoding="utf-8")
    name = lab_name("trunk")
    with AFTERMATH.lab(name), running_lab(name, topology=file) as lab:
        yield lab


@pytest.fixture(scope="module", params=list(INSTALLED))
def networks(
    request: pytest.FixtureRequest, trunk_lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Networks:
    """Return the host as it was installed with one of the stacks, after a reboot."""
    if request.param != next(iter(INSTALLED)):  # the first one has the host as it was installed
        trunk_lab.reset()
    found = Networks(trunk_lab, tmp_path_factory.mktemp("networks"))
    found.on(HOST, INSTALLED[request.param])
    before = found.on(HOST, "cat /proc/sys/kernel/random/boot_id")
    found.on(HOST, "systemd-run --on-active=1 --timer-property=AccuracySec=100ms reboot")
    trunk_lab.wait_for_reboot(HOST, before.strip(), deadline(180))
    seen = found.on(HOST, _SEES)
    assert "192.168.7.46/20" in seen, seen
    assert "Slave Interface: em2" in seen, seen
    return found


def test_a_wrong_gateway_is_reverted_and_the_bond_is_as_before(networks: Networks) -> None:
    before = networks.states([HOST])[HOST]
    record = networks.apply([HOST], wanted=lambda _: {**BOND, "gateway": "192.168.7.253"})[HOST]
    assert record.status is Status.FAILED
    networks.wait_for_state(HOST, before, seconds=2 * REVERTS_AFTER)
    assert "Slave Interface: em2" in networks.on(HOST, _SEES)


def test_the_bond_with_the_hosts_address_becomes_a_port(networks: Networks) -> None:
    record = networks.apply([HOST], wanted=lambda _: BOND)[HOST]
    assert record.status is Status.CHANGED, record.message
    seen = networks.on(HOST, _SEES)
    assert "Slave Interface: em1" in seen
    assert "Slave Interface: em2" in seen
    assert networks.on(HOST, "basename $(readlink /sys/class/net/bond0/master)") == "br0\n"
    assert networks.apply([HOST], wanted=lambda _: BOND)[HOST].status is Status.OK


def test_the_interface_of_a_vlan_becomes_a_port_and_its_frames_keep_their_tag(networks: Networks) -> None:
    record = networks.apply([HOST], wanted=lambda _: VLAN)[HOST]
    assert record.status is Status.CHANGED, record.message
    assert networks.apply([HOST], wanted=lambda _: VLAN)[HOST].status is Status.OK
    probe = HostPlan(name="probe", kind="vm", interfaces={"em1": Interface(vlan=103, address="10.9.0.1/24")})
    with plug_vm(probe, networks.lab.paths.switch, set()) as taps:

        def asked_with_a_tag() -> bool | None:
            networks.on(HOST, "ping -c 1 -W 1 10.9.0.99", check=False)
            while select.select([taps["em1"]], [], [], 0)[0]:
                frame = os.read(taps["em1"], 2048)[10:]
                if frame[12:18] == b"\x81\x00" + TAG.to_bytes(2, "big") + b"\x08\x06":
                    return True
            return None

        wait_until(asked_with_a_tag, "an ARP request with the VLAN's tag")


def test_both_bridges_outlive_a_reboot(networks: Networks) -> None:
    before = networks.on(HOST, "cat /proc/sys/kernel/random/boot_id")
    networks.on(HOST, "systemd-run --on-active=1 --timer-property=AccuracySec=100ms reboot")
    networks.lab.wait_for_reboot(HOST, before.strip(), deadline(180))
    for wanted in (BOND, VLAN):
        chosen = dict(wanted)
        record = networks.apply([HOST], wanted=lambda _, chosen=chosen: chosen)[HOST]  # type: ignore[misc]
        assert record.status is Status.OK, f"{wanted}: {record.message}"
