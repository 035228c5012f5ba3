"""Interfaces files mean for us what they mean for ifupdown, whose own `ifquery` is asked about the same files."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib import system_requirements
from runbook_lib.operations.network_stacks import ifupdown_stanzas
from runbook_lib.operations.network_stacks.ifupdown_file import InterfacesFile

if system_requirements.missing("reference"):
    pytest.skip("needs ifquery: apt-get install ifupdown", allow_module_level=True)

IFQUERY = shutil.which("ifquery", path="/usr/sbin:/sbin:/usr/bin") or "ifquery"
HOOKS = {"post-up": "up", "pre-down": "down"}  # ifupdown reads these as the same
# What ifquery adds by itself, or computes from the address.
COMPUTED = {"netmask", "broadcast", "accept-ra", "request-prefix", "ll-attempts", "ll-interval"}
RUN_COMMANDS = {"pre-up", "up", "down", "post-down"}
REPLACED = {"address", "gateway", "bridge-ports", "bridge-stp", "bridge-fd", "bridge-maxwait", "bridge-hw"}

Options = Counter[tuple[str, str]]


def normalized(key: str, value: str) -> tuple[str, str]:
    key = key.replace("_", "-")
    shown = value.partition("/")[0] if key == "address" else value
    return HOOKS.get(key, key), " ".join(shown.split())


def ifquery(text: str, *names: str) -> Options | None:
    """Return the options of interfaces as ifupdown reads them; None if it refuses the file."""
    found: Options = Counter()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "interfaces"
        path.write_bytes(text.encode())
        for name in names:
            done = subprocess.run(
                [IFQUERY, "-i", str(path), name], capture_output=True, check=False, text=True, cwd=place
            )
            if done.returncode != 0:
                if "unknown interface" in done.stderr:
                    continue
                return None
            for line in done.stdout.splitlines():
                key, _, value = line.partition(": ")
                found[normalized(key, value)] += 1
    return without_computed(found)


def ours(text: str, *names: str) -> Options:
    lines = [
        line
        for stanza in ifupdown_stanzas.parse(text)
        for name in names
        if stanza.configures(name)
        for line in stanza.options
    ]
    return without_computed(Counter(normalized(line.key, line.value) for line in lines))


def without_computed(options: Options) -> Options:
    return Counter({option: count for option, count in options.items() if option[0] not in COMPUTED})


NAMES = ("lo", "eth0", "eth1", "br0", "eth0:1", "vlan7")
BLANK = st.sampled_from([" ", "\t", "  "])
ENDING = st.sampled_from(["", " ", "\t", "\r"])
CONTINUED = st.sampled_from([" ", " \\\n ", "\\\n", "  "])
OPTIONS = (
    "mtu 9000",
    "hwaddress 02:00:00:00:00:02",
    "metric 100",
    "dns-search lab.example other.example",
    "dns_nameservers 9.9.9.9",
    "post-up ip route add 198.51.100.0/24 via 192.0.2.254",
    "up ip rule add from 192.0.2.10 table 7",
    "pre-down true",
    "pre-up ethtool -K eth0 tso off",
    "up echo a#b",
    "ethernet-wol g",
    "some-plugin yes",
    "privext 2",
    "vlan_raw_device eth1",
    "bridge-ports none",
)
BETWEEN = (
    "",
    "# a comment",
    "  # indented \\",
    "auto eth1",
    "allow-hotplug eth1 \\\n  eth0",
    "no-scripts eth9",
)


@st.composite
def options(draw: st.DrawFn) -> str:
    chosen = draw(st.lists(st.sampled_from(OPTIONS), max_size=5, unique_by=lambda text: text.split()[0]))
    found = ""
    for text in chosen:
        key, *words = text.split()
        value = words[0] + "".join(draw(CONTINUED).replace("\\\n", " \\\n", 1) + word for word in words[1:])
        found += f"{draw(BLANK)}{key}{draw(BLANK)}{value}{draw(ENDING)}\n"
        found += draw(st.sampled_from(["", "", "\n", "    # between options\n"]))
    return found


@st.composite
def stanzas(draw: st.DrawFn, names: tuple[str, ...] = NAMES) -> str:
    kind = draw(st.sampled_from(["inet manual", "inet static", "inet dhcp", "inet6 auto"]))
    address = f"    address 192.0.2.{draw(st.integers(20, 99))}/24\n" if kind == "inet static" else ""
    first = f"{draw(st.sampled_from(['', ' ']))}iface{draw(BLANK)}{draw(st.sampled_from(names))} {kind}{draw(ENDING)}\n"
    between = draw(st.sampled_from(BETWEEN))
    return f"{between}\n" * bool(between) + first + address + draw(options())


FILES = st.lists(stanzas(), max_size=4).map("\n".join)


@settings(max_examples=40)
@given(FILES)
def test_every_option_is_read_as_ifupdown_reads_it(text: str) -> None:
    theirs = ifquery(text, *NAMES)
    if theirs is not None:
        assert ours(text, *NAMES) == theirs


MAIN = """\
auto lo eth0
iface lo inet loopback

iface eth0 inet static
    address 192.0.2.10/24
    gateway 192.0.2.1
"""


def check_nothing_is_lost(text: str) -> bool:
    """Check that each option comes out or is named as an obstacle; return whether the file was changed."""
    file = InterfacesFile(text, "br0", "eth0", "192.0.2.10/24", "192.0.2.1", ())
    before, others = ifquery(text, "eth0", "br0"), ifquery(text, "lo", "eth1", "vlan7")
    if before is None or file.obstacles() or file.ipv6():
        return False
    after = file.changed("02:00:00:00:00:01")
    found = ifquery(after, "eth0", "br0")
    assert found is not None, "ifupdown refuses the new file"
    missing = (
        # Of an option that port and bridge had alike, the bridge needs one; a command is run as often as before.
        Counter(
            {
                option: count if option[0] in RUN_COMMANDS else 1
                for option, count in before.items()
                if option[0] not in REPLACED
            }
        )
        - found
    )
    assert not missing
    assert ifquery(after, "lo", "eth1", "vlan7") == others
    assert ifquery(after, "br0") is not None
    assert ("address", "192.0.2.10") in (ifquery(after, "br0") or {})
    assert ("address", "192.0.2.10") not in (ifquery(after, "eth0") or {})
    return True


@settings(max_examples=40)
@given(options(), st.lists(stanzas(("eth0", "eth1", "br0", "vlan7")), max_size=2).map("\n".join))
def test_every_option_comes_out_or_the_file_is_refused(own: str, more: str) -> None:
    check_nothing_is_lost(MAIN + own + more)


@pytest.mark.parametrize(
    ("more", "changed"),
    [
        ("", True),
        ("    mtu 9000\n    dns-search lab.example\n", True),
        ("    post-up ip route add 198.51.100.0/24 via 192.0.2.254\n    dns-search lab.example\n", True),
        ("    post-up ip route add 198.51.100.0/24 via 192.0.2.254 dev eth0\n", False),
        (
            "\niface eth0 inet static\n    address 192.0.2.20/24\n\niface eth0 inet6 auto\n    privext 2\n",
            True,
        ),
        ("\niface eth0:1 inet static\n    address 192.0.2.11\n    netmask 255.255.255.0\n", False),
        ("\niface eth0.100 inet static\n    address 10.100.0.10/24\n    vlan-raw-device eth0\n", False),
        ("    up echo one\n", False),
        ("    dns-nameservers 9.9.9.9\n\niface br0 inet manual\n    dns_nameservers 9.9.9.9\n", True),
        ("    metric 7 \\\n\n", True),
        ("\nauto eth1\niface eth1 inet dhcp\n    hwaddress 02:00:00:00:00:03\n", True),
    ],
)
def test_files_of_real_hosts_are_changed_without_loss_or_refused(more: str, *, changed: bool) -> None:
    for text in (MAIN + more, (MAIN + more).replace("\n", "\r\n")):
        if "\\" not in text or "\r" not in text:  # a backslash before a carriage return continues nothing
            assert check_nothing_is_lost(text) == changed


@pytest.mark.parametrize(
    ("text", "equal"),
    [
        (
            "address 192.0.2.10/24\n bridge-ports eth0\n bridge-stp no\n bridge-fd 0\n bridge-maxwait 0\n",
            True,
        ),
        (
            "address 192.0.2.10\n netmask 24\n bridge_ports eth0\n bridge_stp off\n bridge_fd 0\n bridge_maxwait 0\n",
            True,
        ),
        (
            "address 192.0.2.10/16\n bridge-ports eth0\n bridge-stp no\n bridge-fd 0\n bridge-maxwait 0\n",
            False,
        ),
    ],
)
def test_an_existing_bridge_is_compared_by_what_ifupdown_makes_of_it(text: str, *, equal: bool) -> None:
    text = f"auto br0\niface br0 inet static\n gateway 192.0.2.1\n {text}"
    file = InterfacesFile(text, "br0", "eth0", "192.0.2.10/24", "192.0.2.1", ())
    done = subprocess.run(
        [IFQUERY, "-i", "/dev/stdin", "br0"], input=text, capture_output=True, check=True, text=True
    )
    assert bool(re.search(r"^netmask: (24|255\.255\.255\.0)$", done.stdout, re.MULTILINE)) == equal
    assert (not file.missing()) == equal
