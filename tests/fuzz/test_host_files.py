"""Files of a host: interfaces(5), netplan's YAML, grub.cfg, GRUB's environment, the engine's options, the lock.

What is written keeps the rest; entries are GRUB's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from runbook_lib.books.docker.dropping_rules import dropping
from runbook_lib.errors import PlanRefused
from runbook_lib.facts import grub_menu
from runbook_lib.facts.base import lines_of
from runbook_lib.facts.boot_loader import BootLoader
from runbook_lib.model.commands import Command, Output
from runbook_lib.operations.docker_engine import _parse as parse_options
from runbook_lib.operations.network_stacks import ifupdown_stanzas
from runbook_lib.operations.network_stacks.ifupdown_file import InterfacesFile
from runbook_lib.runbook.steps.host_lock import Owner
from runbook_lib.secrets import Secrets
from runbook_lib.shown_secrets import secrets_in
from tests.facts.test_grub_rules import MENU
from tests.fuzz.harness import fuzzed, one_message
from tests.fuzz.mutations import JSON, mutated_text
from tests.operations.network_stacks import test_netplan_file as netplan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INTERFACES = [
    """\
# The loopback network interface
auto lo
iface lo inet loopback

source /etc/network/interfaces.d/*

# The primary network interface
allow-hotplug em1
iface em1 inet static
    address 192.168.7.31/20
    gateway 192.168.7.254
    mtu 9000
    # dns-* options are implemented by the resolvconf package
    dns-nameservers 9.9.9.9
    dns-search example.org
    post-up ip route add 10.0.0.0/8 via 192.168.7.1 || true

iface em1 inet static
    address 192.168.9.31
    netmask 255.255.255.0
""",
    """\
auto lo em1
iface lo inet loopback
iface em1 inet dhcp
\tup ethtool -K em1 tso off
\thwaddress ether 02:00:00:00:00:01
auto br0
iface br0 inet static
\taddress 192.168.7.31
\tnetmask 255.255.240.0
\tbridge_ports em1
\tbridge_stp off
\tbridge_fd 0
\tbridge_maxwait 0
iface br0 inet6 auto
iface br0.7 inet manual
""",
    "auto em1\r\niface em1 inet static\r\n  address \\\r\n  192.168.7.31/20\r\n",
    "auto em1\niface em1 inet manual\n  pre-up sysctl \\\n    -w x=1\nmapping em*\n  script /x\nrename mac/x=em1\n",
]


@fuzzed(80, text=mutated_text(INTERFACES), gateway=st.sampled_from([None, "192.168.7.254", "192.168.7.1"]))
def test_an_interfaces_file(text: str, gateway: str | None) -> None:
    assert "".join(stanza.raw for stanza in ifupdown_stanzas.parse(text)) == text
    file = InterfacesFile(text, "br0", "em1", "192.168.7.31/20", gateway, ())
    assert isinstance(
        [file.missing(), file.addresses(), file.ipv6(), file.includes], list
    )  # none of them raises
    if file.obstacles():
        return
    made = file.changed("02:00:00:00:00:01")
    again = InterfacesFile(made, "br0", "em1", "192.168.7.31/20", gateway, ())
    assert again.missing() == []
    assert again.obstacles() == []
    once_more = again.changed("02:00:00:00:00:01")
    assert ifupdown_stanzas.without_comments(once_more) == ifupdown_stanzas.without_comments(made)
    assert set(file.addresses()) == set(again.addresses())
    kept = made
    for stanza in ifupdown_stanzas.parse(text):
        if not {"em1", "br0"} & set(stanza.words):  # every other stanza: each byte, in the same order
            raw = stanza.raw.rstrip("\n")
            assert raw in kept
            kept = kept[kept.index(raw) + len(raw) :]
    before, after = sorted(_lines(text)), sorted(_lines(made))
    assert [line for line in before if line not in after and not _replaced(line)] == []


@fuzzed(
    60, text=mutated_text([netplan.BLOCK, netplan.FLOW, netplan.DHCP, netplan.STATIC]), gateway=st.booleans()
)
def test_netplans_files(text: str, gateway: bool) -> None:  # noqa: FBT001 - drawn
    given = "192.0.2.1" if gateway else None
    before = netplan.configuration(text, gateway=given)
    try:
        before.refuse()
        made = before.changed()
    except PlanRefused as refused:
        one_message(refused)
        return
    after = netplan.configuration(made, gateway=given)
    assert after.missing() == []
    assert after.changed() == made


OPTIONS = (
    '{"bridge": "br0", "fixed-cidr": "192.168.8.0/24", "registry-mirrors": ["http://192.168.7.254:5000"]}'
)


@fuzzed(60, text=mutated_text([OPTIONS]) | JSON.map(json.dumps) | st.just("[" * 100_000))
def test_the_options_of_the_engine(text: str) -> None:
    try:
        assert isinstance(parse_options(text), dict)
    except PlanRefused as refused:
        one_message(refused, "/etc/docker/daemon.json")


WITH_SECRETS = (
    '{"proxies": {"https-proxy": "http://u:Wint3r@p"}, "log-opts": {"splunk-token": "a\\u00e9"}} key=x'
)


@fuzzed(60, text=mutated_text([WITH_SECRETS]) | JSON.map(json.dumps) | st.just("key-" * 20_000))
def test_secrets_in_the_options_of_the_engine(text: str) -> None:
    secrets = Secrets()
    command = Command(("cat", "x"), secret_values="x")  # noqa: S106 - its name
    for shown in secrets_in(command, Output(0, text)):
        assert shown.value
        secrets.protect(*shown)
    assert isinstance(secrets.mask(text), str)


RULES = [
    "*filter\n-A INPUT -s 192.0.2.1/32 -p tcp -m tcp --dport 6379 -j ACCEPT\n-A INPUT -p tcp --dport 6379 -j DROP",
    '-A FORWARD -p tcp -m multiport --dports 22,6000:7000 -m comment --comment "a b" -j REJECT --reject-with tcp-reset',
]


@fuzzed(
    60, text=mutated_text(RULES) | st.text() | st.just(f"{RULES[1]}{'9' * 5000}".replace("7000", "7" * 5000))
)
def test_the_rules_of_a_firewall(text: str) -> None:
    assert set(dropping(text, [6379, 22])) <= set(lines_of(text))


FIELDS = st.fixed_dictionaries(dict.fromkeys(("run", "host", "operator", "machine", "since"), JSON))


@fuzzed(60, text=FIELDS.map(json.dumps) | JSON.map(json.dumps) | st.text() | st.just("[" * 100_000))
def test_the_owner_that_a_lock_names(text: str) -> None:
    owner = Owner.parse(text)
    assert owner is None or str(owner)


def _lines(text: str) -> Iterator[str]:
    for stanza in ifupdown_stanzas.parse(text):
        yield from (line.text for line in stanza.lines[1:] if line.words)


def _replaced(line: str) -> bool:
    return line.split(maxsplit=1)[0].replace("_", "-") in {
        "address", "netmask", "gateway", "bridge-ports", "bridge-stp", "bridge-fd", "bridge-maxwait", "bridge-hw",
    }  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """An entry of a boot menu, as `grub-mkconfig` would write it; a submenu has entries of its own."""

    title: str
    name: str
    release: str
    inside: tuple[Entry, ...] | None = None

    def text(self, indent: str = "") -> str:
        identifier = f" $menuentry_id_option '{self.name}'" if self.name else ""
        if self.inside is None:
            body = f"{indent}\tlinux\t/boot/vmlinuz-{self.release} root=/dev/vda1 ro quiet\n"
            return f"{indent}menuentry '{self.title}' --class os{identifier} {{\n{body}{indent}}}\n"
        body = "".join(item.text(indent + "\t") for item in self.inside)
        return f"{indent}submenu '{self.title}'{identifier} {{\n{body}{indent}}}\n"


def entries(depth: int) -> st.SearchStrategy[tuple[Entry, ...]]:
    titles = st.sampled_from(
        ["Debian", "Linux 6.1", "a > b", "{", "}", "#1", "Advanced options", "6.1 old", "$x", "é"]
    )
    names = st.sampled_from(["", "simple", "gnulinux-6.1", "a>b", "7b-id", "Debian"])
    releases = st.sampled_from(["6.1.0-50-amd64", "5.15.0-91-generic", "4.18.0-553.el8.x86_64"])
    inside = st.none() if depth == 0 else st.none() | entries(depth - 1)
    return st.lists(st.builds(Entry, titles, names, releases, inside), min_size=1, max_size=3).map(tuple)


def chosen(menu: Sequence[Entry], path: list[str]) -> str | None:
    """Return the kernel that GRUB boots for a path of names, by the rules of its manual, from the menu itself."""
    name = path[0] if path else "0"
    digits = name[: len(name) - len(name.lstrip("0123456789"))]
    if digits:
        entry = menu[int(digits)] if int(digits) < len(menu) and digits == str(int(digits)) else None
    else:
        entry = next((item for item in menu if name in {item.title, item.name or item.title}), None)
    if entry is None or entry.inside is None:
        return entry.release if entry else None
    return chosen(entry.inside, path[1:])


NAMES = st.sampled_from(
    [
        "0",
        "1",
        "2",
        "Debian",
        "simple",
        "gnulinux-6.1",
        "a > b",
        "a>b",
        "7b-id",
        "{",
        "}",
        "#1",
        "Advanced options",
        "é",
    ]
)


@fuzzed(80, menu=entries(2), path=st.lists(NAMES, min_size=1, max_size=3))
def test_the_entry_that_grub_would_boot(menu: tuple[Entry, ...], path: list[str]) -> None:
    text = "".join(entry.text() for entry in menu)
    wanted = ">".join(name.replace(">", ">>") for name in path)
    found = grub_menu.find_in_menu(text, wanted)
    assert (found.release if found else None) == chosen(menu, path)


@fuzzed(
    60,
    menu=mutated_text([MENU]),
    default=mutated_text(['set default="0"', 'set default="${saved_entry}"', "set default=1>2"]),
    environment=mutated_text(["# GRUB Environment Block\nsaved_entry=advanced>6.8-advanced\n######"]),
)
def test_a_boot_menu(menu: str, default: str, environment: str) -> None:
    text = (
        f"==> /boot/grub/grub.cfg\n{default}\n{menu}\n==> /boot/grub/grubenv\n{environment}\n"
        "==> program update-grub\n==> command line\nro\n"
    )
    loader = BootLoader().parse(Output(0, text))
    releases = {entry.release for entry in loader.entries}
    assert loader.default is None or loader.default in releases
    assert all(release is None or f"vmlinuz-{release}" in text for release in releases)
    for entry in loader.entries:
        assert loader.entry(entry.release or "") in {None, *loader.entries}
    assert loader.unclear_default is None or loader.default is None
