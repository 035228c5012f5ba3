"""Hosts with their bridges, interfaces and containers, and the hops between them: what a diagram draws (book S4-S6)."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

__all__ = [
    "Bridge",
    "Container",
    "Hop",
    "Host",
    "Interface",
    "PhysicalNetwork",
    "Topology",
]


class Container(BaseModel):
    """A container, from the facts `Containers` and `Container(name)`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    image: str = ""
    state: str = ""
    networks: dict[str, str] = {}
    ports: list[str] = []

    @property
    def ambassador(self) -> bool:
        """Whether the container forwards to another one, judged by its name: its image may have other uses."""
        return "ambassador" in self.name.lower()

    @property
    def running(self) -> bool:
        """Whether the container is running; a container of unknown state counts as running."""
        return self.state in {"running", ""}

    @property
    def addresses(self) -> list[str]:
        """The container's addresses, one per network."""
        return [address for address in self.networks.values() if address]


@dataclass(frozen=True)
class Bridge:
    """A bridge of a host with what is connected to it.

    Args:
        network: The Docker network that uses the bridge, if a container shows it; otherwise empty.
        interfaces: Names of the outer interfaces that are its ports.
        veths: Number of other ports.
        containers: Names of the containers that have an address in its subnet.
        mac: Hardware address.
    """

    name: str
    addresses: list[str]
    network: str
    interfaces: list[str]
    veths: int
    containers: list[str]
    mac: str = ""


@dataclass(frozen=True)
class Interface:
    """An interface that leads out of a host.

    Args:
        bridge: The bridge that the interface is a port of, if any.
        subnet: The network it leads to, from its own address or that of its bridge; empty without an address.
        mac: Hardware address.
    """

    name: str
    addresses: list[str]
    state: str
    bridge: str | None
    subnet: str
    mac: str = ""


@dataclass(frozen=True)
class Host:
    """A host with its containers, which are on one bridge, on several, or on none."""

    name: str
    address: str
    lab: str | None
    bridges: list[Bridge]
    interfaces: list[Interface]
    containers: list[Container]


@dataclass(frozen=True)
class Hop:
    """One link of the path from client to server, and whether its check passed.

    Args:
        source: Host and container that sent the request.
        target: Host and container that was to answer; the same as `source` if it sent the request to itself.
    """

    number: int
    what: str
    source: tuple[str, str]
    target: tuple[str, str]
    holds: bool
    observed: str


@dataclass(frozen=True)
class PhysicalNetwork:
    """A network that interfaces of hosts lead to.

    Args:
        members: Host and interface of each.
        proved: Whether facts prove that all interfaces of this subnet are in this network. If not, the subnet has
            several networks, which may be one.
    """

    subnet: str
    members: list[tuple[str, str]]
    proved: bool = True

    @property
    def label(self) -> str:
        """The network and its members, as one line."""
        joined = ", ".join(f"{host} {interface}" for host, interface in self.members)
        doubt = "" if self.proved else " (not proved to be joined with the others)"
        return f"physical network {self.subnet}: {joined}{doubt}"


@dataclass(frozen=True)
class Topology:
    """The hosts, the physical networks that their interfaces lead to, and the path of a PING."""

    hosts: list[Host]
    networks: list[PhysicalNetwork]
    hops: list[Hop]
