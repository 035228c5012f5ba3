"""How the hosts and their containers are connected, from the facts that steps recorded (book S4-S6).

Only facts are used: a host without facts about its interfaces is left out, and nothing is shown that no fact says, such
as the configuration of the switch.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from runbook_lib.facts import container, interfaces, neighbors
from runbook_lib.model.status import Status
from runbook_lib.report.physical_networks import NeighborFact, physical_networks
from runbook_lib.report.topology_model import Bridge, Container, Hop, Host, Interface, Topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runbook_lib.model.records import HostRecord, RunRecord

__all__ = ["topology_of"]

_log = logging.getLogger(__name__)
_DOCKER_EXEC = re.compile(r"\bdocker exec (?:-\S+ )*([\w.-]+)")
_CHECKED = {Status.OK, Status.CHANGED, Status.FAILED}


class _InterfaceFact(BaseModel):
    """An interface, from the fact `Interfaces`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    kind: str
    state: str
    master: str | None
    addresses: list[str]
    mac: str = ""


@dataclass(frozen=True)
class _HopCheck:
    """The check of a hop, and the container that the request was sent from."""

    what: str
    container: str
    holds: bool
    observed: str


@dataclass
class _HostState:
    """The newest facts of a host, and its hop checks by number."""

    address: str = ""
    lab: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    hops: dict[int, _HopCheck] = field(default_factory=dict)


def topology_of(records: Iterable[RunRecord]) -> Topology | None:
    """Return the topology that the newest facts of each host show; None without facts about interfaces."""
    states = _newest(records)
    hosts = [host for host in (_host(name, state) for name, state in states.items()) if host]
    if not hosts:
        return None
    hops = list(_hops(states, {host.name: host for host in hosts}))
    server = next((hop.target[0] for hop in hops if hop.source == hop.target), None)  # only it asks itself
    hosts.sort(key=lambda host: host.name != server)
    networks = physical_networks(hosts, {host.name: _neighbors(host.name, states) for host in hosts})
    return Topology(hosts, networks, sorted(hops, key=lambda hop: -hop.number))


def _newest(records: Iterable[RunRecord]) -> dict[str, _HostState]:
    states: dict[str, _HostState] = {}
    for run in sorted(records, key=lambda record: record.started):
        for step in run.steps:
            for host in step.hosts:
                state = states.setdefault(host.host, _HostState())
                state.address, state.lab = host.address or state.address, run.lab
                state.facts |= host.facts
                # The checks of a plan were not carried out: they prove nothing.
                for check in host.checks if host.status in _CHECKED else []:
                    if check.hop is not None:
                        state.hops[check.hop] = _HopCheck(
                            check.name, _container_of(host), check.holds, check.observed
                        )
    return states


def _host(name: str, state: _HostState) -> Host | None:
    if interfaces.Interfaces.id not in state.facts:
        return None
    try:
        found = TypeAdapter(list[_InterfaceFact]).validate_python(state.facts[interfaces.Interfaces.id])
        return _assemble(name, state, found, _containers(state.facts))
    except (ValidationError, ValueError) as problem:
        # Another fact with the same id must not prevent the report.
        _log.warning(
            "%s is left out of the diagram, since its facts have an unexpected form: %s", name, problem
        )
        return None


def _neighbors(name: str, states: Mapping[str, _HostState]) -> list[NeighborFact]:
    try:
        found = states[name].facts.get(neighbors.Neighbors.id) or []
        return TypeAdapter(list[NeighborFact]).validate_python(found)
    except ValidationError as problem:
        _log.warning(
            "the neighbors of %s are not used, since they have an unexpected form: %s", name, problem
        )
        return []


def _containers(facts: dict[str, Any]) -> list[Container]:
    """Return the containers of the list, and those read by name that are not in it."""
    listed = TypeAdapter(list[Container]).validate_python(facts.get(container.Containers.id) or [])
    found = {item.name: item for item in listed}
    for name, value in container.Container.recorded(facts).items():
        if value and name not in found:
            found[name] = Container.model_validate({**value, "name": name, "image": ""})
    return list(found.values())


def _assemble(
    name: str, state: _HostState, interfaces: list[_InterfaceFact], containers: list[Container]
) -> Host:
    subnets = {item.name: _subnet(item.addresses) for item in interfaces}
    outer = [
        Interface(
            item.name,
            item.addresses,
            item.state,
            item.master,
            subnets[item.name] or subnets.get(item.master or "", ""),
            item.mac,
        )
        for item in interfaces
        if _is_outer(item)
    ]
    bridges = [
        _bridge(item, interfaces, subnets[item.name], containers)
        for item in interfaces
        if item.kind == "bridge"
    ]
    return Host(name, state.address, state.lab, bridges, outer, containers)


def _bridge(
    item: _InterfaceFact, interfaces: list[_InterfaceFact], subnet: str, containers: list[Container]
) -> Bridge:
    ports = [port for port in interfaces if port.master == item.name]
    outer = [port.name for port in ports if _is_outer(port)]
    members = {
        item.name: network
        for item in containers
        for network, address in item.networks.items()
        if _within(address, subnet)
    }
    network = next(iter(members.values()), "")
    veths = len(ports) - len(outer)
    return Bridge(item.name, item.addresses, network, outer, veths, list(members), item.mac)


def _is_outer(item: _InterfaceFact) -> bool:
    """Return whether an interface leads out of the host.

    In a lab such an interface is a veth, too, but only those of the container engine have a name that says so.
    """
    inner = item.name == "lo" or item.kind in {"bridge", "dummy", "ifb"} or item.name.startswith("veth")
    return not inner and (item.state != "DOWN" or bool(item.addresses))


def _subnet(addresses: list[str]) -> str:
    return str(ipaddress.ip_interface(addresses[0]).network) if addresses else ""


def _within(address: str, subnet: str) -> bool:
    return bool(address and subnet) and ipaddress.ip_address(address) in ipaddress.ip_network(subnet)


def _container_of(host: HostRecord) -> str:
    """Return the container that a step's request was sent from, from its command; empty: from the host itself."""
    found = [match[1] for command in host.commands if (match := _DOCKER_EXEC.search(command.text))]
    return found[-1] if found else ""


def _hops(states: dict[str, _HostState], hosts: dict[str, Host]) -> Iterator[Hop]:
    """Yield the hops of a path (see `Check.id`) between known containers.

    Each hop goes from the container that sent its request to the one that sent that of the next lower hop; the
    request of the lowest is sent on the server itself.
    """
    checks = {number: (name, check) for name, state in states.items() for number, check in state.hops.items()}
    for number, (host, check) in checks.items():
        next_host, next_check = checks.get(number - 1, (host, check))
        ends = (host, check.container), (next_host, next_check.container)
        if all(_is_known(hosts, *end) for end in ends):
            yield Hop(number, check.what, *ends, check.holds, check.observed)


def _is_known(hosts: dict[str, Host], host: str, container: str) -> bool:
    return host in hosts and any(item.name == container for item in hosts[host].containers)
