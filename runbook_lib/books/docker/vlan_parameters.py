"""What two VLANs on one host cannot have in common, judged by the parameters alone."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook_lib.books.docker.parameters import TwoVlans

__all__ = ["refuse_contradictions"]


def refuse_contradictions(p: TwoVlans) -> None:
    """Refuse VLANs that share a number, an interface, a bridge or addresses.

    Args:
        p: The parameters, each valid by itself.

    Raises:
        ValueError: The first contradiction, in words; pydantic names the parameters' file.
    """
    for what, first, second in (
        ("vlan and second_vlan", p.vlan, p.second_vlan),
        ("bridge and second_bridge", p.bridge, p.second_bridge),
        ("card and second_interface", p.card, p.second_interface),
    ):
        if first == second:
            raise ValueError(f"{what} are both {first}: each VLAN needs its own")
    names = [p.bridge, p.second_bridge, p.card, p.second_interface]
    if taken := next((name for name in names if names.count(name) > 1 or name == "docker0"), None):
        raise ValueError(f"{taken} cannot be the name of a bridge: something else has that name")
    for name, vlan in ((p.card, p.vlan), (p.second_interface, p.second_vlan)):
        tag = name.rpartition(".")[2] if "." in name else ""
        if tag.isdecimal() and int(tag) != vlan:
            raise ValueError(f"interface {name} is in VLAN {tag}, not in VLAN {vlan}")
    subnet, second_subnet = ipaddress.ip_network(p.subnet), ipaddress.IPv4Network(p.second_subnet)
    if not isinstance(subnet, ipaddress.IPv4Network):
        raise ValueError("the networks of both VLANs must be IPv4 networks")  # noqa: TRY004 - pydantic catches it
    if subnet.overlaps(second_subnet):
        raise ValueError(f"the VLANs have the same addresses: {subnet} and {second_subnet} overlap")
    within = ipaddress.ip_network(p.second_range)
    if not isinstance(within, ipaddress.IPv4Network) or not within.subnet_of(second_subnet):
        raise ValueError(f"second_range {within} is not in {second_subnet}")
