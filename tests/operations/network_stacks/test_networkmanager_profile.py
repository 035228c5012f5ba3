"""NetworkManager's profiles: a port's settings move to its bridge byte for byte; what is not understood is named."""

from __future__ import annotations

import pytest

from runbook_lib.operations.network_stacks.bridge_backend import Wanted
from runbook_lib.operations.network_stacks.networkmanager_profile import EthernetProfile, profile_id

MAC = "02:00:00:00:00:01"
STATIC = """\
# The uplink.
[connection]
id=uplink
uuid=5e2b8e3c-1f0a-4d9b-8a55-0d8f0a1c2b3d
type=ethernet
interface-name=eth0
autoconnect-priority=200
zone=public
lldp=1
timestamp=1764100000

[ethernet]
mtu=1400
wake-on-lan=64

[ipv4]
# both networks
address1=192.0.2.10/24,192.0.2.1
address2=192.0.2.20/24
dns=192.0.2.53;
method=manual
route1=198.51.100.0/24,192.0.2.254

[ipv6]
address1=2001:db8::10/64
addr-gen-mode=stable-privacy
method=manual

[proxy]
"""
DHCP = (
    "[connection]\nid=eth0\ntype=ethernet\n\n[ipv4]\nmethod=auto\ndhcp-client-id=mac\n\n[ipv6]\nmethod=auto\n"
)


def profile(
    text: str, gateway: str | None = "192.0.2.1", nameservers: tuple[str, ...] = ()
) -> EthernetProfile:
    return EthernetProfile(text, Wanted("br0", "eth0", "192.0.2.10/24", gateway, nameservers))


def changed(
    text: str, gateway: str | None = "192.0.2.1", nameservers: tuple[str, ...] = ()
) -> tuple[str, str]:
    before = profile(text, gateway, nameservers)
    assert before.obstacles() == []
    bridge, port = before.bridge_profile(MAC), before.port_profile(MAC)
    again = profile(bridge, gateway, nameservers)
    assert again.missing_in_bridge() == []
    assert again.obstacles() == []
    assert again.addresses() == before.addresses()
    assert again.bridge_profile(MAC) == bridge
    assert profile(port).is_port
    assert profile(port).port_profile(MAC).replace("=201\n", "=100\n") == port.replace("=201\n", "=100\n")
    return bridge, port


def test_every_line_is_the_bridges_or_the_ports() -> None:
    bridge, port = changed(STATIC)
    new = ("id=", "uuid=", "type=", "interface-name=", "autoconnect-priority=", "timestamp=", "# The uplink.")
    of_port = {"lldp=1\n", "wake-on-lan=64\n", "mtu=1400\n"}
    for line in STATIC.splitlines(keepends=True):
        if not line.startswith(new):
            assert line in (port if line in of_port else bridge), line
    assert "mtu=1400\n" in bridge
    assert "address1" not in port
    assert "autoconnect-priority=201\n" in port  # above the profile that stays as it is
    assert "master=br0\nslave-type=bridge\n" in port
    assert f"mac-address={MAC}\n" in bridge
    assert profile(STATIC).mtu == 1400


def test_routes_by_way_of_a_bridge_have_the_metric_of_an_ethernet_interface() -> None:
    bridge, _ = changed(STATIC)
    assert bridge.count("route-metric=100\n") == 2
    assert (
        "route-metric=100"
        not in changed(STATIC.replace("method=manual\n", "method=manual\nroute-metric=5\n"))[0]
    )


def test_further_addresses_and_ipv6_are_expected_on_the_bridge() -> None:
    assert profile(STATIC).addresses() == ("192.0.2.10/24", "192.0.2.20/24", "2001:db8::10/64")


def test_a_lease_becomes_the_bridges_lease() -> None:
    bridge, _ = changed(DHCP)
    assert "method=auto\ndhcp-client-id=mac\n" in bridge
    assert "gateway" not in bridge
    assert profile(DHCP).addresses() == ("192.0.2.10/24",)


def test_another_gateway_and_other_name_servers_replace_those_values_only() -> None:
    bridge, _ = changed(STATIC, "192.0.2.2", ("9.9.9.9",))
    assert "address1=192.0.2.10/24\n" in bridge
    assert "gateway=192.0.2.2\ndns=9.9.9.9;\n" in bridge
    assert "192.0.2.53" not in bridge
    assert "route1=198.51.100.0/24,192.0.2.254\n" in bridge


def test_without_a_gateway_the_profiles_own_is_kept() -> None:
    assert "address1=192.0.2.10/24,192.0.2.1\n" in changed(STATIC, None)[0]


def test_each_profile_has_an_id_of_its_own_that_stays_the_same() -> None:
    assert profile_id(MAC, "br0") == profile_id(MAC, "br0")
    assert (
        len({profile_id(MAC, "br0"), profile_id(MAC, "br0-eth0"), profile_id("02:00:00:00:00:02", "br0")})
        == 3
    )


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("zone=public\n", "master=bond0\n", "master=bond0"),
        ("zone=public\n", "something-new=1\n", "something-new=1"),
        ("zone=public\n", "a line\n", "a line"),
        ("type=ethernet", "type=wifi", "type=wifi"),
        ("[proxy]\n", "[802-1x]\nidentity=x\n", "[802-1x]"),
        ("[proxy]\n", "[sriov]\ntotal-vfs=2\n", "[sriov]"),
        ("192.0.2.10/24", "192.0.2.99/24", "addresses 192.0.2.99/24"),
        ("zone=public\n", "permissions=user:ann:;\n", "permissions=user:ann:;"),
        ("method=manual\n", "method=manual\nrouting-rule1=priority 5 iif eth0 table 7\n", "routing-rule1="),
    ],
)
def test_what_can_neither_be_kept_nor_moved_is_named(old: str, new: str, named: str) -> None:
    obstacles = profile(STATIC.replace(old, new, 1)).obstacles()
    assert len(obstacles) == 1
    assert obstacles[0].startswith(named)


def test_a_default_route_of_its_own_is_kept_or_named() -> None:
    text = STATIC.replace(",192.0.2.1\n", "\n").replace(
        "route1=198.51.100.0/24", "route1=0.0.0.0/0,192.0.2.1\nroute2=198.51.100.0/24"
    )
    assert "route1=0.0.0.0/0,192.0.2.1\n" in changed(text)[0]
    assert profile(text, "192.0.2.2").obstacles() == ["route1=0.0.0.0/0,192.0.2.1"]


def test_what_makes_addresses_and_data_of_other_programs_are_the_bridges() -> None:
    text = STATIC.replace("zone=public\n", "permissions=\nstable-id=office\n") + "\n[user]\nrack.row=4\n"
    bridge, port = changed(text)
    assert "stable-id=office\n" in bridge
    assert "[user]\nrack.row=4\n" in bridge
    assert "office" not in port


def test_a_rule_for_another_interface_is_the_bridges() -> None:
    rule = "routing-rule1=priority 5 iif eth01 table 7\n"
    assert rule in changed(STATIC.replace("method=manual\n", f"method=manual\n{rule}", 1))[0]
