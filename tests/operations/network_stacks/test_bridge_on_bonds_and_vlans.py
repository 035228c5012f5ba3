"""A bond or a VLAN's own interface as the port of a bridge: what is carried over, and what is refused by name.

Only files in and files out: this was not tried on a host, since the kernel of the practice hosts has neither.
"""

from __future__ import annotations

import pytest

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.netplan import NetplanFile
from runbook_lib.operations.network_stacks import networkd_file
from runbook_lib.operations.network_stacks.bridge_backend import Wanted
from runbook_lib.operations.network_stacks.ifupdown_file import InterfacesFile
from runbook_lib.operations.network_stacks.netplan_file import NetplanConfiguration
from runbook_lib.operations.network_stacks.networkd_file import NetworkFile
from runbook_lib.operations.network_stacks.networkmanager_profile import EthernetProfile

MAC = "02:00:00:00:00:01"
PORTS = ("bond0", "bond0.101", "eth0.101")
OF_INTERFACES = {
    "bond0": "    bond-slaves eth0 eth1\n    bond-mode active-backup\n    bond-miimon 100\n",
    "bond0.101": "    vlan-raw-device bond0\n",
    "eth0.101": "    vlan-raw-device eth0\n    mtu 1400\n",
}


def wanted(port: str) -> Wanted:
    return Wanted("br0", port, "192.0.2.10/24", "192.0.2.1", ())


@pytest.mark.parametrize("port", PORTS)
def test_ifupdown_keeps_what_makes_the_port_and_moves_its_addresses(port: str) -> None:
    head = f"auto {port}\niface {port} inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n"
    before = InterfacesFile(head + OF_INTERFACES[port], "br0", port, "192.0.2.10/24", "192.0.2.1", ())
    assert before.obstacles() == []
    of_port, _, of_bridge = before.changed(MAC).partition("auto br0\n")
    assert OF_INTERFACES[port] in of_port
    assert "192.0.2.10" not in of_port
    assert f"bridge_ports {port}\n" in of_bridge
    assert "vlan-raw-device" not in of_bridge
    assert "bond-" not in of_bridge


@pytest.mark.parametrize("port", PORTS)
def test_networkd_moves_the_addresses_and_leaves_the_netdev_file_of_the_port_alone(port: str) -> None:
    text = f"[Match]\nName={port}\n\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\n"
    before = NetworkFile(text, wanted(port))
    assert before.obstacles() == []
    assert before.bridge_file() == text.replace(f"Name={port}", "Name=br0")
    of_port = networkd_file.port_file(text, port, "br0")
    assert f"Name={port}\n" in of_port
    assert "Address=" not in of_port


@pytest.mark.parametrize("line", ["VLAN=bond0.101", "Bond=bond0", "MACVLAN=mv0", "Bridge=br9", "Tunnel=gre0"])
def test_networkd_refuses_a_port_that_others_are_made_of_or_that_is_part_of_another(line: str) -> None:
    text = f"[Match]\nName=bond0\n\n[Network]\nAddress=192.0.2.10/24\n{line}\n"
    assert NetworkFile(text, wanted("bond0")).obstacles() == [line]


@pytest.mark.parametrize(
    ("kind", "section"),
    [
        ("bond", "[bond]\nmode=active-backup\n"),
        ("vlan", "[vlan]\nid=101\nparent=bond0\n"),
        ("team", "[team]\nconfig={}\n"),
    ],
)
def test_networkmanager_refuses_all_but_ethernet(kind: str, section: str) -> None:
    """A second profile of a bond makes the bond again without its interfaces: the host would be lost."""
    text = (
        f"[connection]\nid=port\ntype={kind}\ninterface-name=bond0\n\n{section}\n"
        "[ipv4]\naddress1=192.0.2.10/24,192.0.2.1\nmethod=manual\n"
    )
    obstacles = EthernetProfile(text, wanted("bond0")).obstacles()
    assert f"type={kind}" in obstacles
    assert f"[{kind}]" in obstacles


@pytest.mark.parametrize("kind", ["bonds", "vlans"])
def test_netplan_edits_no_file_for_a_port_that_is_not_an_ethernet_interface(kind: str) -> None:
    text = f"network:\n  version: 2\n  {kind}:\n    bond0:\n      addresses: [192.0.2.10/24]\n"
    configuration = NetplanConfiguration(
        (NetplanFile("/etc/netplan/50.yaml", text),), "bond0", wanted("bond0"), MAC
    )
    assert configuration.file is None
    with pytest.raises(PlanRefused, match=f"bond0 is defined under `{kind}`"):
        configuration.refuse()
