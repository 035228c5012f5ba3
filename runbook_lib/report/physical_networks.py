"""Which interfaces lead to the same physical network, as far as facts prove it.

That two hosts have addresses in the same subnet proves nothing: 192.168.0.0/24 is in many places.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, IPvAnyAddress

from runbook_lib.report.topology_model import PhysicalNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runbook_lib.report.topology_model import Host, Interface

__all__ = ["NeighborFact", "physical_networks"]

# Hardware addresses that devices in different networks have alike: of virtual routers (VRRP, HSRP, GLBP), of a
# cloud's gateway (Google's is made from its IP address), and of the gateway of QEMU's user-mode network.
_SHARED = ("00:00:5e:00:0", "00:00:0c:07:ac", "00:00:0c:9f:f", "00:07:b4:", "42:01:", "52:55:")


class NeighborFact(BaseModel):
    """A neighbor, from the fact `Neighbors`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    address: IPvAnyAddress
    mac: str
    interface: str


def physical_networks(
    hosts: Sequence[Host], neighbors: Mapping[str, Sequence[NeighborFact]]
) -> list[PhysicalNetwork]:
    """Return the networks that interfaces with an address lead to, by subnet.

    Interfaces of one subnet are in one network if they are proved to be: one host knows the other's hardware address,
    or both know the same device. Otherwise the subnet has several networks, which may be one.

    Args:
        hosts: The hosts.
        neighbors: Host -> its neighbors.
    """
    subnets = sorted({item.subnet for host in hosts for item in host.interfaces if item.subnet})
    return [
        PhysicalNetwork(subnet, members, proved=len(groups) == 1)
        for subnet in subnets
        for groups in [_groups(subnet, hosts, neighbors)]
        for members in groups
    ]


def _groups(
    subnet: str, hosts: Sequence[Host], neighbors: Mapping[str, Sequence[NeighborFact]]
) -> list[list[tuple[str, str]]]:
    """Return the interfaces of a subnet, as host and name, in groups that are proved to be connected."""
    groups: list[tuple[list[tuple[str, str]], set[str]]] = []
    for host in hosts:
        for interface in host.interfaces:
            if interface.subnet != subnet:
                continue
            members = [(host.name, interface.name)]
            known = set(_devices(host, interface, neighbors.get(host.name, ())))
            others = []
            for group in groups:
                if known & group[1]:
                    members = [*group[0], *members]
                    known |= group[1]
                else:
                    others.append(group)
            groups = [*others, (members, known)]
    return [members for members, _ in groups]


def _devices(host: Host, interface: Interface, neighbors: Sequence[NeighborFact]) -> Iterator[str]:
    """Yield what identifies the devices of the interface's network: the host itself, and those that it has met."""
    network = ipaddress.ip_network(interface.subnet)
    names = {interface.name, interface.bridge}
    own = {interface.mac, *(bridge.mac for bridge in host.bridges if bridge.name == interface.bridge)}
    yield from (mac for mac in own if mac and not mac.startswith(_SHARED))
    for neighbor in neighbors:
        inside = neighbor.interface in names and neighbor.address in network
        if inside and not neighbor.mac.startswith(_SHARED):
            yield neighbor.mac
