"""Two VLANs: what cannot be, is refused by the parameters alone, one message each; and what announces itself where."""

from __future__ import annotations

from typing import Any

import pytest

from runbook_lib.books.docker import vlans
from runbook_lib.books.docker.parameters import TwoVlans, ValidateChapter
from runbook_lib.errors import ParameterError
from tests.test_parameters import CHAPTER

GIVEN: dict[str, Any] = {name: value for name, value in CHAPTER.items() if name in TwoVlans.model_fields}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"second_vlan": 101}, "vlan and second_vlan are both 101"),
        ({"vlan": 102}, "vlan and second_vlan are both 102"),
        ({"vlan": 4095}, "'vlan': Input should be less than or equal to 4094"),
        ({"second_vlan": 0}, "'second_vlan': Input should be greater than or equal to 1"),
        ({"second_bridge": "br0"}, "bridge and second_bridge are both br0"),
        ({"second_bridge": "docker0"}, "docker0 cannot be the name of a bridge"),
        ({"bridge": "docker0"}, "docker0 cannot be the name of a bridge"),
        ({"second_bridge": "em1"}, "em1 cannot be the name of a bridge"),
        ({"second_bridge": "em2"}, "em2 cannot be the name of a bridge"),
        ({"second_bridge": "a-name-of-sixteen"}, "'second_bridge'"),
        ({"second_interface": "em1"}, "card and second_interface are both em1"),
        ({"second_interface": "em1.103"}, "interface em1.103 is in VLAN 103, not in VLAN 102"),
        ({"card": "em1.102"}, "interface em1.102 is in VLAN 102, not in VLAN 101"),
        ({"second_address": "192.168.7.31/20"}, "192.168.0.0/20 and 192.168.0.0/20 overlap"),
        ({"second_address": "192.168.15.1/30"}, "192.168.0.0/20 and 192.168.15.0/30 overlap"),
        ({"subnet": "10.0.0.0/8"}, "10.0.0.0/8 and 10.102.0.0/24 overlap"),
        ({"second_address": "10.102.0.31"}, "must have the prefix length of a network"),
        ({"second_address": "10.102.0.31/32"}, "must have the prefix length of a network"),
        ({"second_address": "10.102.0.0/24"}, "must be an address of a host in 10.102.0.0/24"),
        ({"second_address": "10.102.0.255/24"}, "must be an address of a host in 10.102.0.0/24"),
        ({"second_address": "em2"}, "'second_address'"),
        ({"second_range": "10.103.0.0/25"}, "second_range 10.103.0.0/25 is not in 10.102.0.0/24"),
        ({"second_range": "10.102.0.0/16"}, "second_range 10.102.0.0/16 is not in 10.102.0.0/24"),
        ({"second_range": "fd07::/64"}, "second_range fd07::/64 is not in 10.102.0.0/24"),
        ({"subnet": "fd07::/64"}, "must be IPv4 networks"),
    ],
)
def test_what_cannot_be_is_refused_by_the_parameters(given: dict[str, Any], why: str) -> None:
    TwoVlans.collect(GIVEN)
    with pytest.raises(ParameterError) as refused:
        TwoVlans.collect({**GIVEN, **given})
    assert why in refused.value.message
    assert refused.value.message.count(";") == 0, "one message"


@pytest.mark.parametrize("given", [{"card": "em1.101", "second_interface": "em1.102"}, {"card": "bond0.a"}])
def test_vlans_may_be_interfaces_on_a_trunk(given: dict[str, Any]) -> None:
    TwoVlans.collect({**GIVEN, **given})


def test_a_chapter_without_two_vlans_is_validated_whatever_their_values() -> None:
    given = {**CHAPTER, "subnet": "10.0.0.0/8", "server_address": "10.0.7.31"}
    ValidateChapter.collect(given)
    with pytest.raises(ParameterError, match="overlap"):
        ValidateChapter.collect({**given, "also_validate": ["35_two_vlans"]})


def test_each_vlan_has_its_broadcasts_its_network_and_its_interface() -> None:
    p = TwoVlans.collect(GIVEN)
    first, second = vlans.announcer(p, 101), vlans.announcer(p, 102)
    assert [announcer.command[-1] for announcer in (first, second)] == ["192.168.15.255:9", "10.102.0.255:9"]
    assert (first.network, first.within, second.network, second.within) == (
        *(None, "192.168.0.0/20"),
        *("vlan102", "10.102.0.0/24"),
    )
    on_first, on_second = vlans.no_foreign_frames(p, 101), vlans.no_foreign_frames(p, 102)
    assert (on_first.interface, on_first.own, on_first.foreign) == ("em1", "192.168.0.0/20", "10.102.0.0/24")
    assert (on_second.interface, on_second.own, on_second.foreign) == ("em2", on_first.foreign, on_first.own)


def test_an_unknown_address_is_not_taken_for_one_that_is_out_of_reach() -> None:
    apart = vlans.does_not_reach(101, 102, "host-a", "")
    assert apart.argv == ("false",)
    assert "an unknown address" in apart.what
