"""What two VLANs on one host cannot have in common, judged by the parameters alone."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

__all__ = ["Vlan", "refuse_contradictions"]


@dataclass(frozen=True)
class Vlan:
    """A VLAN as the parameters have it.

    Args:
        number: Its number.
        interface: The host's interface in it.
        bridge: The bridge that has the interface as its port.
        network: Its addresses.
    """

    number: int
    interface: str
    bridge: str
    network: str


def refuse_contradictions(first: Vlan, second: Vlan, second_range: str) -> None:
    """Refuse VLANs that share a number, an interface, a bridge or addresses.

    Args:
        first: The VLAN of `vlan`, `card`, `bridge` and `subnet`.
        second: The VLAN of `second_vlan`, `second_interface` and so on; its network is one of IPv4.
        second_range: The addresses of the containers in the second VLAN.

    Raises:
        ValueError: The first contradiction, in words; pydantic names the parameters' file.
    """
    for what, one, other in (
        ("vlan and second_vlan", str(first.number), str(second.number)),
        ("bridge and second_bridge", first.bridge, second.bridge),
        ("card and second_interface", first.interface, second.interface),
    ):
        if one == other:
            raise ValueError(f"{what} are both {one}: each VLAN needs its own")
    names = [name for vlan in (first, second) for name in (vlan.bridge, vlan.interface)]
    if taken := next((name for name in names if names.count(name) > 1 or name == "docker0"), None):
        raise ValueError(f"{taken} cannot be the name of a bridge: something else has that name")
    for vlan in (first, second):
        tag = vlan.interface.rpartition(".")[2] if "." in vlan.interface else ""
        if tag.isdecimal() and int(tag) != vlan.number:
            raise ValueError(f"interface {vlan.interface} is in VLAN {tag}, not in VLAN {vlan.number}")
    _refuse_addresses(first.network, second.network, second_range)


def _refuse_addresses(first: str, second: str, second_range: str) -> None:
    subnet, second_subnet = ipaddress.ip_network(first), ipaddress.IPv4Network(second)
    if not isinstance(subnet, ipaddress.IPv4Network):
        raise ValueError("the networks of both VLANs must be IPv4 networks")  # noqa: TRY004 - pydantic catches it
    if subnet.overlaps(second_subnet):
        raise ValueError(f"the VLANs have the same addresses: {subnet} and {second_subnet} overlap")
    within = ipaddress.ip_network(second_range)
    if not isinstance(within, ipaddress.IPv4Network) or not within.subnet_of(second_subnet):
        raise ValueError(f"second_range {within} is not in {second_subnet}")
