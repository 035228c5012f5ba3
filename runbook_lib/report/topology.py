"""What joins the hosts and their containers, read from the facts that steps recorded (book S4-S6).

Only facts are used: a host without facts about its interfaces is not in the picture, and what no fact
tells (the switch's own configuration, for one) is not claimed.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from runbook_lib.facts import container, interfaces
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runbook_lib.model.records import HostRecord, RunRecord

__all__ = [
    "Bridge",
    "Card",
    "Container",
    "Host",
    "Picture",
    "Way",
    "picture",
]

_log = logging.getLogger(__name__)
_ASKED_IN = re.compile(r"\bdocker exec (?:-\S+ )*([\w.-]+)")
_ASKED = {Status.OK, Status.CHANGED, Status.FAILED}


class Container(BaseModel):
    """A container, as the facts `Containers` and `Container(name)` tell it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    image: str = ""
    state: str = ""
    networks: dict[str, str] = {}
    ports: list[str] = []

    @property
    def ambassador(self) -> bool:
        """Whether it forwards to another one, by its name; its image alone may serve for anything."""
        return "ambassador" in self.name.lower()

    @property
    def running(self) -> bool:
        """Whether it runs; one whose state was not told counts as running."""
        return self.state in {"running", ""}

    @property
    def addresses(self) -> list[str]:
        """Its addresses, one a network."""
        return [address for address in self.networks.values() if address]


class _Interface(BaseModel):
    """An interface, as the fact `Interfaces` tells it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    kind: str
    state: str
    master: str | None
    addresses: list[str]


@dataclass(frozen=True)
class Bridge:
    """A bridge of a host with what hangs on it.

    Args:
        network: The Docker network that uses it, where a container tells; else empty.
        cards: Names of the cards that are its ports.
        veths: Number of other ports.
        containers: Names of the containers that have an address in its network.
    """

    name: str
    addresses: list[str]
    network: str
    cards: list[str]
    veths: int
    containers: list[str]


@dataclass(frozen=True)
class Card:
    """A card that leads out of a host.

    Args:
        bridge: The bridge it is a port of.
        subnet: The network it leads to, by its own or its bridge's address; empty where there is none.
    """

    name: str
    addresses: list[str]
    state: str
    bridge: str | None
    subnet: str


@dataclass(frozen=True)
class Host:
    """A host of the picture, with its containers: on one bridge, on several, or on none."""

    name: str
    address: str
    lab: str | None
    bridges: list[Bridge]
    cards: list[Card]
    containers: list[Container]


@dataclass(frozen=True)
class Way:
    """One proved (or broken) piece of the way from client to server.

    Args:
        source: Host and container that asked.
        target: Host and container that was to answer; the same as `source` where it asked itself.
    """

    number: int
    what: str
    source: tuple[str, str]
    target: tuple[str, str]
    holds: bool
    observed: str


@dataclass(frozen=True)
class Picture:
    """What is drawn; `subnets` are the physical networks that cards lead to."""

    hosts: list[Host]
    subnets: list[str]
    ways: list[Way]


@dataclass(frozen=True)
class _Hop:
    """A check of one hop, and the container in which it was asked."""

    what: str
    container: str
    holds: bool
    observed: str


@dataclass
class _Seen:
    """The newest facts of a host, and its hop checks by number."""

    address: str = ""
    lab: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    hops: dict[int, _Hop] = field(default_factory=dict)


def picture(records: Iterable[RunRecord]) -> Picture | None:
    """Return the picture that the newest facts of each host give; None without facts on interfaces."""
    seen = _newest(records)
    hosts = [host for host in (_host(name, told) for name, told in seen.items()) if host]
    if not hosts:
        return None
    ways = list(_ways(seen, {host.name: host for host in hosts}))
    server = next((way.target[0] for way in ways if way.source == way.target), None)  # only it asks itself
    hosts.sort(key=lambda host: host.name != server)
    subnets = sorted({card.subnet for host in hosts for card in host.cards if card.subnet})
    return Picture(hosts, subnets, sorted(ways, key=lambda way: -way.number))


def _newest(records: Iterable[RunRecord]) -> dict[str, _Seen]:
    seen: dict[str, _Seen] = {}
    for run in sorted(records, key=lambda record: record.started):
        for step in run.steps:
            for host in step.hosts:
                told = seen.setdefault(host.host, _Seen())
                told.address, told.lab = host.address or told.address, run.lab
                told.facts |= host.facts
                # What a plan only foresees is no proof, neither way.
                for check in host.checks if host.status in _ASKED else []:
                    if check.hop is not None:
                        told.hops[check.hop] = _Hop(check.name, _asked_in(host), check.holds, check.observed)
    return seen


def _host(name: str, told: _Seen) -> Host | None:
    if interfaces.Interfaces.id not in told.facts:
        return None
    try:
        found = TypeAdapter(list[_Interface]).validate_python(told.facts[interfaces.Interfaces.id])
        return _assemble(name, told, found, _containers(told.facts))
    except (ValidationError, ValueError) as problem:
        # A fact of somebody's own that has the same label is no reason to have no report.
        _log.warning("%s is not in the picture, its facts have another shape: %s", name, problem)
        return None


def _containers(facts: dict[str, Any]) -> list[Container]:
    """Return the containers: the list, and those asked for by name that it does not hold."""
    listed = TypeAdapter(list[Container]).validate_python(facts.get(container.Containers.id) or [])
    found = {item.name: item for item in listed}
    for name, value in container.Container.recorded(facts).items():
        if value and name not in found:
            found[name] = Container.model_validate({**value, "name": name, "image": ""})
    return list(found.values())


def _assemble(name: str, told: _Seen, interfaces: list[_Interface], containers: list[Container]) -> Host:
    subnets = {item.name: _subnet(item.addresses) for item in interfaces}
    cards = [
        Card(
            item.name,
            item.addresses,
            item.state,
            item.master,
            subnets[item.name] or subnets.get(item.master or "", ""),
        )
        for item in interfaces
        if _is_card(item)
    ]
    bridges = [
        _bridge(item, interfaces, subnets[item.name], containers)
        for item in interfaces
        if item.kind == "bridge"
    ]
    return Host(name, told.address, told.lab, bridges, cards, containers)


def _bridge(item: _Interface, every: list[_Interface], subnet: str, containers: list[Container]) -> Bridge:
    ports = [port for port in every if port.master == item.name]
    cards = [port.name for port in ports if _is_card(port)]
    joined = {
        item.name: network
        for item in containers
        for network, address in item.networks.items()
        if _within(address, subnet)
    }
    network = next(iter(joined.values()), "")
    return Bridge(item.name, item.addresses, network, cards, len(ports) - len(cards), list(joined))


def _is_card(item: _Interface) -> bool:
    """Tell a card; in a lab it is a veth too, but the engine's own are named so."""
    inner = item.name == "lo" or item.kind in {"bridge", "dummy", "ifb"} or item.name.startswith("veth")
    return not inner and (item.state != "DOWN" or bool(item.addresses))


def _subnet(addresses: list[str]) -> str:
    return str(ipaddress.ip_interface(addresses[0]).network) if addresses else ""


def _within(address: str, subnet: str) -> bool:
    return bool(address and subnet) and ipaddress.ip_address(address) in ipaddress.ip_network(subnet)


def _asked_in(host: HostRecord) -> str:
    """Return the container in which a step's question was asked, by the command sent; empty: on the host."""
    found = [match[1] for command in host.commands if (match := _ASKED_IN.search(command.text))]
    return found[-1] if found else ""


def _ways(seen: dict[str, _Seen], hosts: dict[str, Host]) -> Iterator[Way]:
    """Yield the hops of a path (see `Check.id`) between containers that are in the picture.

    Each hop goes from the container in which it was asked to the one in which the next lower hop was; the lowest
    is asked in the server itself.
    """
    asked = {number: (name, hop) for name, told in seen.items() for number, hop in told.hops.items()}
    for number, (host, hop) in asked.items():
        below, answering = asked.get(number - 1, (host, hop))
        ends = (host, hop.container), (below, answering.container)
        if all(_is_there(hosts, *end) for end in ends):
            yield Way(number, hop.what, *ends, hop.holds, hop.observed)


def _is_there(hosts: dict[str, Host], host: str, container: str) -> bool:
    return host in hosts and any(item.name == container for item in hosts[host].containers)
