"""netplan's YAML: a port's settings move to its bridge, all other bytes stay, and what is not understood is named."""

from __future__ import annotations

from collections import Counter

import pytest
import yaml

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.netplan import NetplanFile
from runbook_lib.operations.network_stacks.bridge_backend import Wanted
from runbook_lib.operations.network_stacks.netplan_file import NetplanConfiguration

MAC = "02:00:00:00:00:01"
PATH = "/etc/netplan/50-installer.yaml"
BLOCK = f"""\
# Written by hand.
network:
  version: 2
  renderer: networkd
  ethernets:
    eth0:   # the uplink
      # both families
      addresses:   # of the web server
        - 192.0.2.10/24
        - "2001:db8::10/64"
      routes:
        - to: default
          via: 192.0.2.1   # the router
        - {{to: 198.51.100.0/24, via: 192.0.2.254}}
      mtu: 1400
      match: {{macaddress: "{MAC}"}}

    # the other cable
    eth1:
      link-local: []
"""
FLOW = (
    "network: {version: 2, ethernets: {eth0: {addresses: [192.0.2.10/24], gateway4: 192.0.2.1, "
    "nameservers: {addresses: [192.0.2.53]}}, eth1: {dhcp4: true}}}\n"
)
DHCP = "network:\n  version: 2\n  ethernets:\n    eth0:\n        dhcp4: true   # a lease\n"

STATIC = "network:\n  ethernets:\n    eth0:\n      addresses: [192.0.2.10/24]\n"


def configuration(
    *texts: str, gateway: str | None = "192.0.2.1", nameservers: tuple[str, ...] = (), name: str = "br0"
) -> NetplanConfiguration:
    wanted = Wanted(name, "eth0", "192.0.2.10/24", gateway, nameservers)
    files = tuple(
        NetplanFile(PATH if number == 0 else f"/etc/netplan/6{number}-more.yaml", text)
        for number, text in enumerate(texts)
    )
    return NetplanConfiguration(files, "eth0", wanted, MAC)


def changed(
    text: str, *, gateway: str | None = "192.0.2.1", nameservers: tuple[str, ...] = ()
) -> tuple[str, NetplanConfiguration]:
    before = configuration(text, gateway=gateway, nameservers=nameservers)
    before.refuse()
    assert before.missing() == ["bridges: br0"]
    after = before.changed()
    again = configuration(after, gateway=gateway, nameservers=nameservers)
    assert again.missing() == []
    assert again.addresses() == before.addresses()
    return after, again


def test_the_bridge_has_what_the_port_had_and_every_other_line_stays() -> None:
    after, _ = changed(BLOCK)
    lines, lines_before = Counter(after.splitlines()), Counter(BLOCK.splitlines())
    assert lines_before - lines == Counter()
    assert lines - lines_before == Counter([
        "      dhcp4: false", "      dhcp6: false", "      accept-ra: false", "      link-local: []",
        "  bridges:", "    br0:", "      interfaces: [eth0]", f'      macaddress: "{MAC}"',
        "      parameters: {stp: false, forward-delay: 0}", "      mtu: 1400",
    ])  # fmt: skip
    loaded = yaml.safe_load(after)["network"]
    assert loaded["bridges"]["br0"]["routes"][1] == {"to": "198.51.100.0/24", "via": "192.0.2.254"}
    assert loaded["bridges"]["br0"]["mtu"] == loaded["ethernets"]["eth0"]["mtu"] == 1400
    assert "addresses" not in loaded["ethernets"]["eth0"]
    assert "# both families\n      addresses:   # of the web server\n" in after


def test_a_file_in_braces_stays_in_braces() -> None:
    after, _ = changed(FLOW)
    assert after.count("\n") == 1
    loaded = yaml.safe_load(after)["network"]
    assert loaded["bridges"]["br0"]["gateway4"] == "192.0.2.1"
    assert loaded["ethernets"]["eth1"] == {"dhcp4": True}


def test_a_lease_becomes_the_bridges_lease() -> None:
    after, again = changed(DHCP)
    assert "dhcp4: true   # a lease\n" in after
    assert again.addresses() == ("192.0.2.10/24",)


@pytest.mark.parametrize(
    "more",
    [
        "  bridges:\n    br7: {interfaces: []}\n",
        "  bridges:\n    br7: {interfaces: []}",
        "  bridges: {}\n",
        "  bridges: {br7: {interfaces: []},}\n",
        "  vlans:\n    office: {id: 5, link: eth1}\n  # the end\n",
    ],
)
def test_other_interfaces_of_the_file_are_the_same_afterwards(more: str) -> None:
    after, _ = changed(DHCP + more)
    before = yaml.safe_load(DHCP + more)["network"]
    loaded = yaml.safe_load(after)["network"]
    del loaded["bridges"]["br0"]
    assert {**loaded, "bridges": loaded["bridges"] or {}, "ethernets": {}} == {
        "bridges": {}, **before, "ethernets": {},
    }  # fmt: skip


@pytest.mark.parametrize("text", [BLOCK, FLOW])
def test_another_gateway_and_other_name_servers_replace_the_values_only(text: str) -> None:
    after, again = changed(text, gateway="192.0.2.2", nameservers=("9.9.9.9", "149.112.112.112"))
    assert again.missing() == []
    assert "192.0.2.1 " not in after
    assert "192.0.2.1," not in after
    assert "192.0.2.53" not in after
    if text == BLOCK:
        assert "via: 192.0.2.2   # the router\n" in after


def test_without_a_gateway_and_name_servers_the_files_own_are_kept() -> None:
    assert "via: 192.0.2.1   # the router\n" in changed(BLOCK, gateway=None)[0]


def test_a_default_route_is_added_where_there_is_none() -> None:
    assert "      routes: [{to: default, via: 192.0.2.1}]\n" in changed(STATIC)[0]


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (DHCP, "{to: default, via: 192.0.2.254, table: 7}"),
        (STATIC, "{to: default, via: 192.0.2.254, table: 7}, {to: default, via: 192.0.2.99, table: 254}"),
        (STATIC, "{to: 0.0.0.0/0, via: 192.0.2.254, type: nat}, {to: 0/0, via: 192.0.2.99, type: unicast}"),
    ],
)
def test_a_default_route_for_some_packets_only_keeps_its_gateway(text: str, other: str) -> None:
    indent = " " * (8 if text == DHCP else 6)
    after, again = changed(f"{text}{indent}routes: [{other}]\n")
    assert f"routes: [{other.replace('192.0.2.99', '192.0.2.1')}]\n" in after
    assert again.missing() == []


def test_a_port_that_netplan_knows_by_another_name() -> None:
    text = "network:\n  ethernets:\n    uplink:\n      match: {macaddress: '02:00:00:00:00:01'}\n      dhcp4: true\n"
    wanted = Wanted("br0", "eth0", "192.0.2.10/24")
    made = NetplanConfiguration((NetplanFile(PATH, text),), "uplink", wanted, MAC)
    made.refuse()
    assert yaml.safe_load(made.changed())["network"]["bridges"]["br0"]["interfaces"] == ["uplink"]


@pytest.mark.parametrize(
    ("texts", "named"),
    [
        ((DHCP + "        auth: {key-management: eap}\n",), "'auth'"),
        ((DHCP + "  vlans:\n    office: {id: 5, link: eth0}\n",), r"eth0 is used by office \(vlans\)"),
        ((DHCP, "network:\n  bonds:\n    bond0: {interfaces: [eth0]}\n"), r"used by bond0 \(bonds\)"),
        ((DHCP, "network:\n  bridges:\n    br9: {interfaces: [eth0]}\n"), r"used by br9 \(bridges\)"),
        ((DHCP, "network:\n  ethernets:\n    eth0: {mtu: 1400}\n"), f"defined in {PATH} and /etc/netplan/61"),
        ((DHCP, "network:\n  bridges:\n    br0: {addresses: [10.0.0.1/8]}\n"), "br0 is configured by netplan"),
        ((DHCP, "network:\n  dummy-devices:\n    br0: {}\n"), "already the name of one of netplan's dummy-devices"),
        (("network:\n  version: 2\n",), "eth0 is defined in no file of netplan"),
        ((DHCP.replace("dhcp4: true", "addresses: [192.0.2.99/24]"),), "192.0.2.99/24, and not 192.0.2.10/24"),
        (("network:\n  ethernets:\n    eth0: &x\n      dhcp4: true\n",), "line 3: anchors"),
        (("network:\n  ethernets:\n    eth0:\n      dhcp4: true\n     mtu: 9\n",), "line 5: "),
        (("network: [eth0]\n",), "line 1: expected a mapping"),
        ((STATIC + "      nameservers: {search: [example.org]}\n",), "nameservers: without addresses"),
        ((STATIC + "      routes: [{to: 10.0.0.0/8, via: 192.0.2.254}]\n",), "no default route that could become"),
        ((STATIC + "      routes: [{to: default}]\n",), "no default route that could become"),
        ((STATIC + "      routes: [{to: default, via: 192.0.2.9, table: 7}]\n",), "no default route that could"),
        (
            (STATIC + "      routes: [{to: default, via: 192.0.2.9, table: 0xfe}]\n",),
            "it would change the default route",
        ),
        ((STATIC + "      routes:\n",), "no default route that could become"),
        ((STATIC + "      routes: []\n",), "no default route that could become"),
        ((STATIC + "      mtu: 1400\n      mtu: 9000\n",), "line 6: mtu is in line 5 already"),
    ],
)  # fmt: skip
def test_what_cannot_be_edited_without_loss_is_named(texts: tuple[str, ...], named: str) -> None:
    with pytest.raises(PlanRefused, match=named) as refused:
        configuration(*texts, nameservers=("9.9.9.9",)).refuse()
    assert refused.value.hint


def test_a_file_with_a_password_is_not_read() -> None:
    made = NetplanConfiguration((NetplanFile(PATH, None),), "eth0", Wanted("br0", "eth0", "192.0.2.10/24"))
    with pytest.raises(PlanRefused, match="holds a password or a key"):
        made.refuse()


def test_a_file_that_would_not_outlive_a_reboot_is_refused() -> None:
    made = NetplanConfiguration(
        (NetplanFile("/run/netplan/eth0.yaml", DHCP),), "eth0", Wanted("br0", "eth0", "192.0.2.10/24")
    )
    with pytest.raises(PlanRefused, match="not under /etc/netplan"):
        made.refuse()


@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        ("interfaces: [eth0]", "interfaces: [eth1]", "interfaces: [eth0]"),
        ("stp: false", "stp: true", "parameters: {stp: false}"),
        ("192.0.2.10/24\n", "192.0.2.11/24\n", "addresses: [192.0.2.10/24]"),
        ("via: 192.0.2.1 ", "via: 192.0.2.7 ", "routes: [{to: default, via: 192.0.2.1}]"),
        ("      dhcp4: false\n", "      dhcp4: true\n", "eth0 without addresses"),
    ],
)
def test_a_bridge_that_is_not_as_desired_lacks_something(old: str, new: str, missing: str) -> None:
    after, _ = changed(BLOCK)
    assert old in after
    assert configuration(after.replace(old, new)).missing() == [missing]
