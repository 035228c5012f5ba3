"""A topology as text: for readers who do not see the diagram, and for Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook_lib.report.topology_model import Container, Host, Interface, Topology

__all__ = ["address_labels", "describe", "describe_path"]


def address_labels(host: Host, item: Container) -> list[str]:
    """Return a container's addresses, with the name of each network that no bridge of the host shows.

    An overlay network has none.

    Args:
        host: The host.
        item: One of its containers.
    """
    shown = {bridge.network for bridge in host.bridges}
    return [
        address if network in shown else f"{address} {network}"
        for network, address in item.networks.items()
        if address
    ]


def describe(topology: Topology) -> list[tuple[int, str]]:
    """Return the topology as lines, each with its level of indentation."""
    lines: list[tuple[int, str]] = []
    for host in topology.hosts:
        lab = f", a practice host of lab {host.lab}" if host.lab else ""
        lines.append((0, f"Host {host.name} ({host.address}){lab}"))
        lines += [(1, _describe_interface(interface)) for interface in host.interfaces]
        for bridge in host.bridges:
            network = f" (Docker network {bridge.network})" if bridge.network else ""
            ports = [*bridge.interfaces, *([f"{bridge.veths} veth"] if bridge.veths else [])]
            addresses = _list(bridge.addresses, "no address")
            lines.append((1, f"Bridge {bridge.name}{network}: {addresses}; ports: {_list(ports, 'none')}"))
            lines += [(2, f"Container {name}") for name in bridge.containers]
        lines += [(1, _describe_container(host, item)) for item in host.containers]
    lines += [(0, network.label[:1].upper() + network.label[1:]) for network in topology.networks]
    for hop in topology.hops:
        verdict = "answers" if hop.holds else f"does not answer as expected: {hop.observed}"
        lines.append((0, f"{hop.what} (checked on {hop.source[0]}): {verdict}"))
    return lines


def describe_path(topology: Topology) -> str:
    """Return the path of the PING in one line, with the hop at which it breaks; empty if there are no hops.

    The hop that is broken is the failed one with the lowest number: each higher one depends on it.
    """
    if not topology.hops:
        return ""
    ends = list(dict.fromkeys(end for hop in topology.hops for end in (hop.source, hop.target)))
    line = "PING: " + " → ".join(f"{container} ({host})" for host, container in ends)
    broken = [hop for hop in topology.hops if not hop.holds]
    if broken:
        return f"{line}: ✗ no PONG; the path breaks at {broken[-1].what}"
    return f"{line}: PONG ✓"


def _describe_interface(interface: Interface) -> str:
    bridge = f"a port of {interface.bridge}" if interface.bridge else _list(interface.addresses, "no address")
    leads = f"; leads to the physical network {interface.subnet}" if interface.subnet else ""
    return f"Interface {interface.name}: {bridge}{leads}"


def _describe_container(host: Host, item: Container) -> str:
    ports = f"; published: {', '.join(item.ports)}" if item.ports else ""
    image = f", image {item.image}" if item.image else ""
    return f"Container {item.name} ({item.state}{image}): {_list(address_labels(host, item), 'no address')}{ports}"


def _list(items: list[str], otherwise: str) -> str:
    return ", ".join(items) or otherwise
