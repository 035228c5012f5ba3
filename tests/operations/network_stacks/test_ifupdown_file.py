"""What an interfaces file has for a port is kept, moved to the bridge, or refused by name; it is never dropped."""

from __future__ import annotations

import pytest

from runbook_lib.operations.network_stacks.ifupdown_file import InterfacesFile

LOOPBACK = "auto lo\niface lo inet loopback\n\n"
STATIC = "auto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n"
BRIDGE = """\
auto br0
iface br0 inet static
    address 192.0.2.10
    netmask 255.255.255.0
    gateway 192.0.2.1
    bridge_ports eth0
    bridge_stp off
    bridge_fd 0
    bridge_maxwait 0
    bridge_hw 02:00:00:00:00:01
"""


def file(
    text: str, *, gateway: str | None = "192.0.2.1", nameservers: tuple[str, ...] = ()
) -> InterfacesFile:
    return InterfacesFile(text, "br0", "eth0", "192.0.2.10/24", gateway, nameservers)


def changed(text: str) -> str:
    before = file(text)
    assert before.obstacles() == []
    assert not before.ipv6()
    after = before.changed("02:00:00:00:00:01")
    assert file(after).missing() == []
    assert file(after).conflicts() == []
    assert file(after).obstacles() == []
    assert file(after).addresses() == before.addresses()
    assert file(after).changed("02:00:00:00:00:01") == after
    return after


@pytest.mark.parametrize(
    ("option", "places"),
    [
        ("    mtu 9000\n", {"port", "bridge"}),
        ("\tmtu\t1500  \n", {"port", "bridge"}),
        ("    hwaddress ether 02:00:00:00:00:02\n", {"port"}),
        ("    ethernet-wol g\n", {"port"}),
        ("    bond-slaves eth1 eth2\n", {"port"}),
        ("    dns-search lab.example\n", {"bridge"}),
        ("    dns-nameservers 192.0.2.1 9.9.9.9\n", {"bridge"}),
        ("    metric 100\n", {"bridge"}),
        ("    broadcast 192.0.2.255\n", {"bridge"}),
        ("    post-up ip route add 198.51.100.0/24 via 192.0.2.254\n", {"bridge"}),
        ("    up route add -net 10.0.0.0/8 gw 192.0.2.254 || true\n", {"bridge"}),
        ("    up ip rule add from 192.0.2.10 table 7\n", {"bridge"}),
        ("    pre-up ethtool -K eth0 tso off\n", {"port"}),
        ("    up ip link set dev $IFACE promisc on\n", {"port"}),
        ("    # the storage team needs this\n    mtu 9000\n", {"port", "bridge"}),
        ("    dns-search lab.example \\\n      other.example\n", {"bridge"}),
        ("    mtu 9000\r\n", {"port", "bridge"}),
    ],
)
def test_an_option_is_kept_byte_for_byte_where_it_belongs(option: str, places: set[str]) -> None:
    port, _, bridge = changed(LOOPBACK + STATIC + option).partition("auto br0\n")
    assert port.startswith(LOOPBACK)
    assert {name for name, text in (("port", port), ("bridge", bridge)) if option in text} == places


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("    post-up ip route add 198.51.100.0/24 via 192.0.2.254 dev eth0\n", "dev eth0"),
        ("    pre-down ip route del 198.51.100.0/24 dev eth0 || true\n", "dev eth0"),
        ("    up /usr/local/sbin/announce\n", "announce"),
        ("    up ip route add 10.0.0.0/8 via 192.0.2.254; touch /run/up\n", "touch /run/up"),
        ("    up ip address add 192.0.2.30/24 dev $IFACE\n", "192.0.2.30"),
        ("    wpa-ssid lab\n", "wpa-ssid"),
        ("    pointopoint 192.0.2.1\n", "pointopoint"),
        ("    some-plugin yes\n", "some-plugin"),
        ("iface eth0:1 inet static\n    address 192.0.2.11/24\n", "iface eth0:1"),
        ("iface eth0.100 inet static\n    address 10.100.0.10/24\n", "iface eth0.100"),
        ("iface vlan100 inet manual\n    vlan-raw-device eth0\n", "vlan-raw-device eth0"),
        ("iface vlan100 inet manual\n    vlan_raw_device eth0\n", "vlan_raw_device eth0"),
        ("iface br1 inet manual\n    bridge_ports eth0 eth1\n", "bridge_ports eth0 eth1"),
        ("iface bond0 inet manual\n    bond-slaves eth0 \\\n   eth1\n", "bond-slaves eth0 eth1"),
        ("mapping eth0\n    script /usr/local/sbin/where\n", "mapping eth0"),
        ("mapping eth*\n    script /usr/local/sbin/where\n", "mapping eth*"),
        ("iface office inet dhcp inherits eth0\n", "inherits eth0"),
        ("allow-rack eth0\n", "allow-rack eth0"),
        ("iface eth0 inet dhcp\n", "iface eth0 inet dhcp"),
        ("iface eth0 inet static\n    address 192.0.2.20/24\n    hwaddress 02:00:00:00:00:02\n", "hwaddress"),
        ("iface eth0 can static\n", "iface eth0 can"),
        ('source "/etc/network/site files/*"\n', "site files"),
        ("source $HOME/interfaces\n", "$HOME"),
        ("iface br0:1 inet static\n    address 192.0.2.11/24\n", "iface br0:1"),
        ("iface br0 inet manual\n    bridge-ports eth0 eth9\n", "eth9"),
        ("auto eth9\n    address 192.0.2.20/24\n", "address 192.0.2.20/24"),
        ("no-scripts eth9\n    mtu 9000\n", "mtu 9000"),
        ("iface br0 inet manual\niface br0 inet static\n    bridge_stp on\n", "bridge_stp on"),
        ("iface br0 inet manual\niface br0 inet stat1c\n", "iface br0 inet stat1c"),
    ],
)
def test_what_can_neither_be_kept_nor_moved_is_named(more: str, named: str) -> None:
    obstacles = file(LOOPBACK + STATIC + more).obstacles()
    assert len(obstacles) == 1
    assert named in obstacles[0]


def test_a_line_before_the_first_keyword_is_named() -> None:
    assert file("eth0 up\n# comment\n" + LOOPBACK + STATIC).obstacles() == ["eth0 up"]


def test_another_address_of_the_port_is_not_replaced_by_the_given_one() -> None:
    assert file(STATIC.replace(".10/", ".99/")).obstacles() == ["address 192.0.2.99/24"]


def test_static_ipv6_moves_to_the_bridge_and_is_expected_there() -> None:
    ipv6 = "\niface eth0 inet6 static\n    address 2001:DB8::10\n    netmask 64\n    gateway 2001:db8::1\n"
    after = changed(LOOPBACK + STATIC + ipv6)
    assert after.endswith("iface br0 inet6 static\n" + ipv6.partition("static\n")[2])
    assert file(after).addresses() == ("192.0.2.10/24", "2001:db8::10/64")


def test_further_addresses_and_ipv6_autoconfiguration_move_to_the_bridge() -> None:
    second = "\n# second address, for the web server\niface eth0 inet static\n    address 192.0.2.20/24\n"
    ipv6 = "\niface eth0 inet6 auto\n    privext 2\n"
    after = changed(LOOPBACK + STATIC + second + ipv6)
    assert second.partition("\n# ")[2].splitlines()[0] in after
    assert "iface br0 inet static\n    address 192.0.2.20/24\n" in after
    assert "iface br0 inet6 auto\n    privext 2\n" in after
    assert file(after).addresses() == ("192.0.2.10/24", "192.0.2.20/24")


def test_the_stanza_with_the_given_address_is_replaced_even_if_it_is_not_the_first() -> None:
    first = "iface eth0 inet static\n    address 192.0.2.20/24\n\n"
    assert file(changed(first + STATIC)).addresses() == ("192.0.2.10/24", "192.0.2.20/24")


def test_the_port_is_removed_from_a_continued_auto_line() -> None:
    text = "auto lo \\\n     eth0\niface lo inet loopback\n" + STATIC.removeprefix("auto eth0\n")
    after = changed(text)
    assert after.startswith("auto lo\niface lo inet loopback\n")
    assert after.count("auto eth0") == 1


def test_a_file_of_carriage_returns_keeps_them_in_what_is_not_changed() -> None:
    after = changed((LOOPBACK + STATIC).replace("\n", "\r\n"))
    assert after.startswith(LOOPBACK.replace("\n", "\r\n"))
    assert after.endswith("auto eth0\niface eth0 inet manual\n\n" + BRIDGE)


def test_a_bridge_that_exists_keeps_the_options_that_are_not_the_operations_own() -> None:
    mine = (
        "    bridge-hw 02:00:00:00:00:09\n    # jumbo\n    mtu 9000\n    post-up /usr/local/sbin/announce\n"
    )
    text = (
        LOOPBACK
        + "auto br0\niface br0 inet static\n    address 192.0.2.77/24\n    bridge-ports eth0\n"
        + mine
    )
    after = changed(text)
    assert mine in after
    assert "02:00:00:00:00:01" not in after
    assert "192.0.2.77" not in after


@pytest.mark.parametrize(
    "text",
    [
        BRIDGE,
        BRIDGE.replace("_", "-").replace("-ports", "_ports"),
        BRIDGE.replace("192.0.2.10\n    netmask 255.255.255.0", "192.0.2.10/24"),
        BRIDGE.replace("255.255.255.0", "24"),
        BRIDGE.replace("stp off", "stp no").replace("fd 0", "fd 0.0"),
        BRIDGE.replace("auto br0", "allow-auto br0"),
        BRIDGE.replace("auto br0", "auto lo /br*"),
        BRIDGE.replace("auto br0", "auto lo \\\n  br0"),
        BRIDGE.replace("\n", "\r\n"),
        "iface eth0 inet manual\n\n" + BRIDGE + "    mtu 9000\n    up /usr/local/sbin/announce\n",
        BRIDGE + "iface br0 inet static\n    address 192.0.2.20/24\n",
    ],
)
def test_an_equal_configuration_is_recognized_however_it_is_written(text: str) -> None:
    assert file(text).missing() == []
    assert file(text).conflicts() == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", "auto br0"),
        (BRIDGE.replace("auto br0\n", ""), "auto br0"),
        (BRIDGE.replace("auto br0", "allow-hotplug br0"), "auto br0"),
        (BRIDGE.replace("255.255.255.0", "255.255.0.0"), "address 192.0.2.10/24"),
        (BRIDGE.replace("2.10", "2.11"), "address 192.0.2.10/24"),
        (BRIDGE.replace("address 192.0.2.10", "address garbage"), "address 192.0.2.10/24"),
        (BRIDGE.replace("    gateway", "    # gateway"), "gateway 192.0.2.1"),
        (BRIDGE.replace("ports eth0", "ports eth0 eth1"), "bridge_ports eth0"),
        (BRIDGE.replace("stp off", "stp on"), "bridge_stp off"),
        (BRIDGE.replace("fd 0", "fd 15"), "bridge_fd 0"),
        (BRIDGE.replace("    bridge_maxwait 0\n", ""), "bridge_maxwait 0"),
        (BRIDGE + STATIC, "iface eth0 inet manual"),
        (BRIDGE + "    gateway 192.0.2.99\n", "gateway 192.0.2.1"),
        (BRIDGE + "iface br0 inet6 auto\n    bridge_stp on\n", "bridge_stp off"),
    ],
)  # fmt: skip
def test_a_different_configuration_is_recognized(text: str, missing: str) -> None:
    assert file(text).missing()[0] == missing


def test_nameservers_are_compared_only_if_they_are_given() -> None:
    text = BRIDGE + "    dns-nameservers 9.9.9.9\n"
    assert file(text).missing() == []
    assert file(text, nameservers=("9.9.9.9",)).missing() == []
    assert file(text, nameservers=("192.0.2.1",)).missing() == ["dns-nameservers 192.0.2.1"]


def test_without_a_given_gateway_the_files_own_is_kept() -> None:
    assert "    gateway 192.0.2.1\n" in file(STATIC, gateway=None).changed("")


@pytest.mark.parametrize(
    ("more", "conflict"),
    [
        ("auto eth0:1\niface eth0:1 inet static\n    address 192.0.2.11/24\n", "iface eth0:1 inet static"),
        ("auto eth0\niface /eth* inet dhcp\n", "iface /eth* inet dhcp"),
        ("auto eth0\nmapping eth0\n    script /x\n", "mapping eth0"),
        ("auto eth0=work\niface work inet static\n    address 192.0.2.10/24\n", "auto eth0=work"),
        ("allow-hotplug eth0=work\n", "allow-hotplug eth0=work"),
        (
            "iface eth0 inet manual\n    up ip addr add 192.0.2.9/24 dev eth0\n",
            "up ip addr add 192.0.2.9/24 dev eth0",
        ),
        ("iface eth0 inet manual\n    up dhclient eth0\n", "up dhclient eth0"),
        ("iface eth0 inet6 static\n    address 2001:db8::10/64\n", "iface eth0 inet6 static"),
        ("iface eth0 inet6 auto\n", "iface eth0 inet6 auto"),
        ("auto lo\neth0 up\n", "eth0 up"),
    ],
)
def test_what_makes_another_network_at_boot_is_named(more: str, conflict: str) -> None:
    assert file(BRIDGE + more).missing() == []
    assert file(BRIDGE + more).conflicts() == [conflict]


@pytest.mark.parametrize(
    "more",
    [
        "auto eth0\niface eth0 inet manual\n    up ip link set eth0 up\n    up /usr/local/sbin/announce\n",
        "iface eth0 inet manual\n    up ifconfig eth0 0.0.0.0 up\n",
        "auto eth1=work\niface work inet dhcp\nmapping eth1\n    script /x\n",
        "iface eth0 inet6 manual\n",
    ],
)
def test_other_lines_do_not_make_another_network(more: str) -> None:
    assert file(BRIDGE + more).conflicts() == []


@pytest.mark.parametrize(
    "further",
    [
        "iface eth0 inet static\n    address 192.0.2.20/24\n",
        "iface eth0 inet6 static\n    address fd00::5/64\n",
    ],
)
def test_the_mtu_of_a_further_stanza_is_also_the_ports(further: str) -> None:
    after = changed(STATIC + f"{further}    mtu 9000\n")
    port, _, bridge = after.partition("auto br0")
    assert "iface eth0 inet manual\n    mtu 9000\n" in port
    assert bridge.count("mtu 9000") == 1


def test_two_mtus_of_a_port_and_one_of_the_bridge_above_it_are_named() -> None:
    further = "iface eth0 inet static\n    address 192.0.2.20/24\n    mtu 9000\n"
    assert file(f"{STATIC}    mtu 1400\n{further}").obstacles() == ["mtu 1400", "mtu 9000"]
    above = f"{BRIDGE}    mtu 9000\niface eth0 inet manual\n    mtu 1500\n"
    assert (file(above).conflicts(), file(above).obstacles()) == (["mtu 9000"], ["mtu 9000"])


def test_the_large_mtu_of_a_bridge_becomes_its_ports() -> None:
    after = changed(f"{STATIC}{BRIDGE}    mtu 9000\n")
    assert "iface eth0 inet manual\n    mtu 9000\n" in after


def test_a_bridge_option_of_a_further_stanza_of_the_port_is_named() -> None:
    further = "iface eth0 inet static\n    address 192.0.2.20/24\n    bridge_stp on\n"
    assert file(STATIC + further).obstacles() == ["bridge_stp on"]
    assert file(f"{STATIC}auto eth0=work\n").obstacles() == ["auto eth0=work"]
