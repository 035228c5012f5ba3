"""The topology file: what it yields, and which mistakes are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import InputError, InventoryError
from runbook_lib.inventory import Inventory
from runbook_lib.lab.hosts.registry import switch_vlans
from runbook_lib.lab.hosts.vm import VmHost
from runbook_lib.lab.inventory_file import write_inventory
from runbook_lib.lab.ssh_endpoint import SshEndpoint
from runbook_lib.lab.system.paths import LabPaths
from runbook_lib.lab.topology_file import load_topology

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lab.topology import Topology

GOOD = """\
control: {vlan: 101, address: 192.168.7.254/20}
hosts:
  host-a:
    interfaces:
      em1: {vlan: 101, address: 192.168.7.31/20}
      em2: {vlan: 102}
  host-b:
    interfaces:
      em1: {vlan: 101, address: 192.168.7.32/20}
groups:
  all-of-them: [host-a, host-b]
"""


def load(tmp_path: Path, text: str) -> Topology:
    file = tmp_path / "topology.yml"
    file.write_text(text, encoding="utf-8")
    return load_topology(file)


def test_the_projects_own_topology_is_the_chapters() -> None:
    topology = load_topology()
    assert {name: host.address for name, host in topology.hosts.items()} == {
        "host-a": "192.168.7.31",
        "host-b": "192.168.7.32",
        "cloud": "192.168.7.30",
    }
    assert {host.kind for host in topology.hosts.values()} == {"container", "vm"}
    assert topology.groups["docker"] == ["host-a", "host-b"]
    assert topology.control.ip == "192.168.7.254"
    assert switch_vlans(topology) == [101, 102]
    assert topology.groups["server"] == ["host-a"]


def test_the_inventory_of_the_projects_own_topology_can_be_loaded(tmp_path: Path) -> None:
    topology = load_topology()
    endpoints = {name: SshEndpoint(host.address) for name, host in topology.hosts.items()}
    write_inventory(LabPaths("inventory-test"), topology, endpoints, tmp_path / "inventory.yml")
    found = Inventory.load(tmp_path / "inventory.yml").select("all")
    assert [host.name for host in found] == list(topology.hosts)


def test_a_topology_can_be_reduced_to_some_hosts(tmp_path: Path) -> None:
    topology = load(tmp_path, GOOD).only(["host-b"])
    assert list(topology.hosts) == ["host-b"]
    assert topology.groups == {"all-of-them": ["host-b"]}


def test_an_unknown_host_is_named(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="unknown host 'host-c'"):
        load(tmp_path, GOOD).only(["host-c"])


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("vlan: 102", "vlna: 102", r"vlna.*did you mean|vlna"),
        ("vlan: 102", "vlan: 5000", r"vlan"),
        ("vlan: 102", "vlan: '102'", r"vlan"),
        ("192.168.7.32/20", "192.168.7.32", r"prefix length"),
        ("192.168.7.32/20", "192.168.7.320/20", r"address"),
        ("192.168.7.32/20", "192.168.7.31/20", r"line 9.*\n?.*host-b em1 has the same address as host-a"),
        ("192.168.7.32/20", "192.168.7.254/20", r"has the same address as control"),
        ("host-b:", "Host_B:", r"lowercase letters"),
        ("host-b:", "a-very-long-name:", r"too long"),
        ("[host-a, host-b]", "[host-a, host-c]", r"line 11.*unknown host 'host-c'"),
        ("  all-of-them:", "  Host-A:", r"line 11.*group 'Host-A' has the name of host 'host-a'"),
        ("  host-b:", "  host-a:", r"line 7.*duplicate key"),
        (
            "em1: {vlan: 101, address: 192.168.7.32/20}",
            "em1: {vlan: 101}",
            r"line 7.*no interface has an address",
        ),
        ("groups:", "gruops:", r"line 10.*'gruops'.*did you mean 'groups'"),
        (
            "  host-b:\n",
            "  host-b:\n    kind: toaster\n",
            r"line 7, host 'host-b': unknown host kind 'toaster'.*known kinds: container, vm",
        ),
        (
            "  host-b:\n",
            "  host-b:\n    kind: vm\n    distribution: trixie\n",
            r"line 7.*a VM runs Debian 12",
        ),
        ("  host-b:\n", "  host-b:\n    distribution: sid\n", r"host 'host-b'.*distribution.*'trixie'"),
        (
            "  host-b:\n",
            "  host-b:\n    engine: 28\n",
            r"host 'host-b'.*debian-12 has no Docker engine 28, but 20",
        ),
        ("  host-b:\n", "  host-b:\n    engine: '28'\n", r"host 'host-b'.*engine.*integer"),
        (
            "  host-b:\n",
            "  host-b:\n    network_stack: netplan-sysctl\n",
            r"host 'host-b'.*network_stack.*'netplan-networkd'",
        ),
        (
            "  host-b:\n",
            "  host-b:\n    kind: vm\n    network_stack: networkd\n",
            r"host 'host-b'.*a VM has the network stack ifupdown",
        ),
        ("hosts:", "\thosts:", r"line 2"),
        ("7.254/20", "7.254/255.255.240.0", r"prefix length"),
        ("7.32/20", "15.255/20", r"prefix length"),
        ("7.32/20", "7.32/20, gateway: nonsense", r"gateway|nonsense"),
        ("7.32/20", "7.32/20, gateway: 10.0.0.1", r"another address of the network 192.168.0.0/20"),
        ("7.32/20", "7.32/20, gateway: 192.168.7.32", r"another address of the network"),
        ("7.32/20", "7.32/20, gateway: 'fe80::1'", r"em1"),
        ("7.32/20", '7.32/20, gateway: "192.168.7.254\\n up touch x"', r"em1"),
        ("{vlan: 102}", "{vlan: 102, gateway: 192.168.7.254}", r"with a gateway needs an address"),
        (
            "192.168.7.32/20",
            "10.9.0.32/24",
            r"line 9.*control cannot reach host-b at 10.9.0.32/24 on VLAN 101",
        ),
        (
            "{vlan: 101, address: 192.168.7.32",
            "{vlan: 102, address: 192.168.7.32",
            r"on VLAN 102.*on VLAN 101",
        ),
        ("em2:", "'em 2':", r"interface cannot have the name 'em 2'"),
        ("em2:", "lo:", r"interface cannot have the name 'lo'"),
        ("em2:", "../x:", r"interface cannot have the name '../x'"),
        ("host-b:", "host-:", r"does not end with '-'"),
        ("host-b:", "registry:", r"cannot have the name 'registry': the lab uses it"),
        ("host-b:", "all:", r"cannot have the name 'all'"),
        ("all-of-them:", "All:", r"line 11.*group cannot have the name 'All'"),
        ("all-of-them:", "'x,y':", r"line 11.*group cannot have the name 'x,y'"),
        ("all-of-them:", "'':", r"group cannot have the name ''"),
    ],
)
def test_a_mistake_is_refused_with_its_line(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError, match=f"(?s){complaint}"):
        load(tmp_path, GOOD.replace(old, new))


def test_a_vm_has_several_interfaces_only_on_the_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = GOOD.replace("  host-a:\n", "  host-a:\n    kind: vm\n")
    monkeypatch.setattr(VmHost, "uses_switch", True)
    assert list(load(tmp_path, text).hosts["host-a"].interfaces) == ["em1", "em2"]
    monkeypatch.setattr(VmHost, "uses_switch", False)
    with pytest.raises(InputError, match="not on the lab's switch has one interface, not 2"):
        load(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_topology(tmp_path / "topology.yml")
