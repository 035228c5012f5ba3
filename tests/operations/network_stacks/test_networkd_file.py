"""systemd-networkd's files: a port's settings move to its bridge byte for byte, and what is not understood is named."""

from __future__ import annotations

import pytest

from runbook_lib.operations.network_stacks import networkd_file
from runbook_lib.operations.network_stacks.bridge_backend import Wanted
from runbook_lib.operations.network_stacks.networkd_file import NetworkFile

STATIC = """\
# The uplink.
[Match]
Name=eth0

[Link]
MTUBytes=1400
RequiredForOnline=yes

[Network]
Description=uplink
; both families
Address=192.0.2.10/24
Address = 2001:DB8::10/64
Gateway=192.0.2.1
DNS=192.0.2.53
LLDP=yes
DNSSECNegativeTrustAnchors=home.arpa \\
  # a comment in between
  example.org
IPv6AcceptRA=no

[Address]
Address=192.0.2.20/24
Label=web

[Route]
Destination=198.51.100.0/24
Gateway=192.0.2.254
"""
DHCP = "[Match]\nName=eth*\n\n[Network]\nDHCP=yes\n\n[DHCPv4]\nUseMTU=yes\n"


def file(text: str, gateway: str | None = "192.0.2.1", nameservers: tuple[str, ...] = ()) -> NetworkFile:
    return NetworkFile(text, Wanted("br0", "eth0", "192.0.2.10/24", gateway, nameservers))


def changed(text: str, gateway: str | None = "192.0.2.1", nameservers: tuple[str, ...] = ()) -> str:
    before = file(text, gateway, nameservers)
    assert before.obstacles() == []
    after = before.bridge_file()
    again = file(after, gateway, nameservers)
    assert again.missing() == []
    assert again.obstacles() == []
    assert again.addresses() == before.addresses()
    assert again.bridge_file() == after
    return after


def test_every_line_is_the_bridges_or_the_ports() -> None:
    bridge, port = changed(STATIC), networkd_file.port_file(STATIC, "eth0", "br0")
    for line in STATIC.splitlines(keepends=True)[4:]:
        assert line in (port if line == "LLDP=yes\n" else bridge), line
    assert "MTUBytes=1400\n" in port
    assert "RequiredForOnline=yes\n" in port
    assert "[Match]\nName=eth0\n" in port
    assert "Address" not in port.replace("LinkLocalAddressing", "")
    assert bridge.startswith("[Match]\nName=br0\n")
    assert networkd_file.missing_in_port(port, "br0") == []
    assert networkd_file.missing_in_port(STATIC, "br0") == ["Bridge=br0"]
    assert networkd_file.mtu(port) == networkd_file.mtu(bridge) == 1400


def test_further_addresses_and_ipv6_are_expected_on_the_bridge() -> None:
    assert file(STATIC).addresses() == ("192.0.2.10/24", "2001:db8::10/64", "192.0.2.20/24")


def test_a_lease_becomes_the_bridges_lease() -> None:
    after = changed(DHCP)
    assert "DHCP=yes\n" in after
    assert "[DHCPv4]\nUseMTU=yes\n" in after
    assert "Gateway" not in after
    assert file(DHCP).addresses() == ("192.0.2.10/24",)


def test_another_gateway_and_other_name_servers_replace_those_lines_only() -> None:
    after = changed(STATIC, "192.0.2.2", ("9.9.9.9", "2620:fe::fe"))
    assert "Gateway=192.0.2.1\n" not in after
    assert "DNS=192.0.2.53" not in after
    assert "Gateway=192.0.2.2\nDNS=9.9.9.9\nDNS=2620:fe::fe\n" in after
    assert "[Route]\nDestination=198.51.100.0/24\nGateway=192.0.2.254\n" in after


def test_a_default_route_with_a_section_of_its_own_is_kept_or_named() -> None:
    text = "[Network]\nAddress=192.0.2.10/24\n\n[Route]\nGateway=192.0.2.1\nMetric=7\n"
    assert "Gateway=192.0.2.1\nMetric=7\n" in changed(text)
    assert file(text, "192.0.2.2").obstacles() == ["[Route] Gateway=192.0.2.1"]


def test_without_a_gateway_the_files_own_is_kept() -> None:
    assert "Gateway=192.0.2.1\n" in changed(STATIC, None)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("VLAN=eth0.100\n", ["VLAN=eth0.100"]),
        ("MACVLAN=guest\n", ["MACVLAN=guest"]),
        ("Bond=bond0\n", ["Bond=bond0"]),
        ("SomethingNew=1\n", ["SomethingNew=1"]),
        ("Address 192.0.2.20/24\n", ["Address 192.0.2.20/24"]),
        ("[SR-IOV]\nVirtualFunction=0\n", ["[SR-IOV]"]),
        ("[RoutingPolicyRule]\nIncomingInterface=eth0\nTable=7\n", ["IncomingInterface=eth0"]),
        ("[RoutingPolicyRule]\nIncomingInterface=eth01\nTable=7\n", []),
        ("[DHCPServer]\nUplinkInterface=eth0\n", ["UplinkInterface=eth0"]),
        ("[IPv6SendRA]\nUplinkInterface=eth0\n", ["UplinkInterface=eth0"]),
        ("Description=eth0, the uplink\n", []),
        ("[Link]\nUnmanaged=no\n", ["Unmanaged=no"]),
        ("Address=\nAddress=192.0.2.99/24\n", ["Address=192.0.2.99/24, and not 192.0.2.10/24"]),
    ],
)
def test_what_can_neither_be_kept_nor_moved_is_named(more: str, named: list[str]) -> None:
    assert file("[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\n" + more).obstacles() == named


@pytest.mark.parametrize(
    ("text", "value"),
    [("MTUBytes=1400", 1400), ("MTUBytes=9K", 9216), ("MTUBytes=", None), ("", None), ("MTUBytes=x", None)],
)
def test_the_mtu(text: str, value: int | None) -> None:
    assert networkd_file.mtu(f"[Link]\n{text}\n") == value


def test_a_bridges_own_file() -> None:
    text = networkd_file.netdev("br0", "02:00:00:00:00:01")
    assert "MACAddress=02:00:00:00:00:01\n" in text
    assert networkd_file.is_bridge(text)
    assert networkd_file.is_bridge(networkd_file.netdev("br0", ""))
    assert not networkd_file.is_bridge(text.replace("STP=no", "STP=yes"))
    assert not networkd_file.is_bridge(text.replace("Kind=bridge", "Kind=dummy"))


ENDS = (" \\\n\n", " \\\n# as agreed\n\n", " \\\n", " \\")
AFTER = ("", "Description=uplink\n", "\n", "# the end\n", "# the end \\\n")


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("after", AFTER)
def test_a_continued_line_does_not_take_in_the_line_that_is_put_after_it(end: str, after: str) -> None:
    more = after if end.endswith("\n\n") else ""  # an open line goes on up to the end of the file
    text = f"[Match]\nName=eth0\n\n[Network]\nGateway=192.0.2.254\nAddress=192.0.2.10/24{end}{more}"
    before = file(text, nameservers=("198.51.100.53",))
    assert before.addresses() == ("192.0.2.10/24",)
    new = file(before.bridge_file(), nameservers=("198.51.100.53",))
    assert (new.missing(), new.addresses()) == ([], ("192.0.2.10/24",))


@pytest.mark.parametrize("end", ["\n\n", "\n# for now\n", "\n", ""])
def test_a_continued_line_at_the_end_of_a_section_does_not_take_in_the_next_section(end: str) -> None:
    text = "[Match]\nName=eth0\n\n[Network]\nAddress=192.0.2.10/24\nLLDP=yes \\\n\n\n[Route]\nGateway=192.0.2.1\n"
    text += f"[Link]\nMTUBytes=1400 \\{end}"
    of_port = networkd_file.port_file(text, "eth0", "br7")
    assert (networkd_file.missing_in_port(of_port, "br7"), networkd_file.mtu(of_port)) == ([], 1400)
    of_bridge = file(text).bridge_file()
    assert (file(of_bridge).missing(), networkd_file.mtu(of_bridge)) == ([], 1400)
    assert file(of_bridge).addresses() == ("192.0.2.10/24",)
    assert file(of_bridge).obstacles() == []
