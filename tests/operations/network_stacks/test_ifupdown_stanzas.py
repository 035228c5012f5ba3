"""/etc/network/interfaces is edited stanza by stanza; the configuration of other interfaces keeps every byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.operations.network_stacks.ifupdown_stanzas import add, split, without, without_comments

NAMES = st.sampled_from(["lo", "em1", "em10", "em1.101", "br0", "eth0"])
BLANKS = st.sampled_from([" ", "\t", "  ", " \t"])
OPTIONS = st.sampled_from(
    [
        "    address 192.168.7.31/20",
        "\taddress\t192.168.7.31",
        "  up ip link set dev $IFACE up",
        "    # a comment among the options",
        "",
        "    bridge_ports em1",
        "    dns-nameservers 9.9.9.9  ",
    ]
)
BETWEEN = st.sampled_from(
    ["", "# The next one, don't touch", "source /etc/network/interfaces.d/*", "mapping em1", "  # indented"]
)


@st.composite
def stanzas(draw: st.DrawFn) -> str:
    blank = draw(BLANKS)
    name = draw(NAMES)
    family = draw(st.sampled_from(["inet static", "inet manual", "inet dhcp", "inet6 auto", "inet loopback"]))
    lines = []
    if draw(st.booleans()):
        names = [*draw(st.lists(NAMES, max_size=2)), name]
        lines.append(blank.join([draw(st.sampled_from(["auto", "allow-hotplug"])), *names]))
    lines.append(f"{draw(st.sampled_from(['', ' ']))}iface{blank}{name}{blank}{family}")
    lines += draw(st.lists(OPTIONS, max_size=4))
    return "\n".join(lines)


@st.composite
def files(draw: st.DrawFn) -> str:
    pieces = draw(st.lists(st.one_of(stanzas(), BETWEEN), max_size=6))
    return "\n".join(pieces) + draw(st.sampled_from(["", "\n", "\n\n"]))


ANY = st.one_of(files(), st.text())


@given(ANY)
def test_pieces_joined_are_the_file(text: str) -> None:
    assert "".join(split(text)) == text


@given(ANY, NAMES)
def test_removing_an_interface_is_idempotent(text: str, name: str) -> None:
    once = without(text, name)
    assert without(once, name) == once


@given(ANY, NAMES)
def test_other_interfaces_keep_every_byte_and_their_order(text: str, name: str) -> None:
    others = [piece for piece in split(text) if name not in piece.split("\n", 1)[0].split()]
    rest = without(text, name)
    for piece in others:
        assert piece in rest
        rest = rest[rest.index(piece) + len(piece) :]


@given(files(), NAMES)
def test_a_removed_interface_has_no_effective_lines_left(text: str, name: str) -> None:
    for line in without_comments(without(text, name)):
        words = line.split()
        assert words[:2] != ["iface", name]
        assert not (words[0] in {"auto", "allow-hotplug"} and name in words)


@given(files(), NAMES)
def test_only_comments_among_removed_options_are_lost(text: str, name: str) -> None:
    rest = without(text, name)
    assert rest.count("# The next one, don't touch") == text.count("# The next one, don't touch")


@given(files(), st.sampled_from(["br7", "em7"]))
def test_adding_and_removing_keeps_the_effective_lines(text: str, name: str) -> None:
    added = add(text, name, "static", [("address", "10.0.0.1"), ("netmask", "255.0.0.0")])
    assert without_comments(without(added, name)) == without_comments(text)
    assert added.endswith(
        f"auto {name}\niface {name} inet static\n    address 10.0.0.1\n    netmask 255.0.0.0\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("auto lo em1\niface lo inet loopback\n", "auto lo\niface lo inet loopback\n"),
        ("auto em1 lo", "auto lo"),
        ("auto\tlo\tem1\n", "auto lo\n"),
        ("allow-hotplug em1\niface em1 inet dhcp\n", ""),
        ("iface em1 inet static\n\tmtu 9000\niface em1 inet6 auto\niface em10 inet dhcp\n", "iface em10 inet dhcp\n"),
        ("source /etc/network/interfaces.d/em1\n", "source /etc/network/interfaces.d/em1\n"),
        ("# em1 is the card\nauto em1\n", "# em1 is the card\n"),
        ("iface em1 inet dhcp\n    # among options\n    up true\n\n# of eth0\nauto eth0\n", "# of eth0\nauto eth0\n"),
        ("auto em1.101\niface em1.101 inet manual\n", "auto em1.101\niface em1.101 inet manual\n"),
        ("", ""),
    ],
)  # fmt: skip
def test_one_interface_is_removed(before: str, after: str) -> None:
    assert without(before, "em1") == after


def test_a_stanza_is_added_to_an_empty_file_without_blank_lines_before_it() -> None:
    assert add("", "em1", "manual", []) == "auto em1\niface em1 inet manual\n"


def test_blank_lines_at_the_beginning_are_kept() -> None:
    assert add("\n# first\nauto lo\n\n", "em1", "manual", []).startswith("\n# first\nauto lo\n\nauto em1\n")


def test_effective_lines_have_no_comments_and_no_extra_spaces() -> None:
    assert without_comments("# no\n\n\taddress \t 10.0.0.1 \n  # no\nauto lo\n") == [
        "address 10.0.0.1",
        "auto lo",
    ]
