"""Docker containers."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.facts.base import Fact, load_json, parsing, typed
from runbook_lib.model.commands import DockerQuery, Output

if TYPE_CHECKING:
    from runbook_lib.model.records import StepRecord

__all__ = [
    "SPEC_LABEL",
    "Container",
    "ContainerState",
    "ContainerSummary",
    "Containers",
    "addresses",
    "spec_hash",
]

SPEC_LABEL = "io.runbook.spec"
"""Label with the hash of what a runbook made a container, or a service, from."""


def spec_hash(*made_from: object) -> str:
    """Return the short hash for the label.

    Args:
        made_from: Everything that a container or service is made from, as JSON can hold it.
    """
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class ContainerState:
    """One container.

    Args:
        running: Whether the container is running.
        state: As `running`, `exited`, `restarting`.
        exit_code: Exit code of its last process.
        image: Hash of its image.
        spec: Hash of what a runbook made it from; None if no runbook made it.
        address: On the default bridge, otherwise its first IPv4 address; empty if it has none.
        networks: Address by network.
        ports: Published ports, as `6379:6379/tcp`.
    """

    running: bool
    state: str
    exit_code: int
    image: str
    spec: str | None
    address: str
    networks: dict[str, str]
    ports: tuple[str, ...]


@dataclass(frozen=True)
class Container(Fact[ContainerState | None]):
    """A container by name; None if it does not exist.

    Args:
        name: The container's name.
    """

    name: str

    def request(self) -> DockerQuery:
        """Return the query."""
        return DockerQuery("inspect_container", (self.name,))

    def parse(self, output: Output) -> ContainerState | None:
        """Return the container's state."""
        inspected = load_json(output, "docker inspect")
        if inspected is None:
            return None
        with parsing(f"docker inspect of {self.name}"):
            networks = _networks(inspected["NetworkSettings"])
            labels = typed(dict, inspected["Config"].get("Labels") or {})
            return ContainerState(
                running=typed(bool, inspected["State"]["Running"]),
                state=typed(str, inspected["State"]["Status"]),
                exit_code=typed(int, inspected["State"]["ExitCode"]),
                image=typed(str, inspected["Image"]),
                spec=typed(str, labels[SPEC_LABEL]) if SPEC_LABEL in labels else None,
                address=networks.get("bridge") or next(filter(None, networks.values()), ""),
                networks=networks,
                ports=_published(inspected["HostConfig"].get("PortBindings") or {}),
            )

    def absent(self) -> None:
        """Return None: without an engine there is no container."""
        return


@dataclass(frozen=True)
class ContainerSummary:
    """One line of `docker ps --all`."""

    name: str
    image: str
    state: str
    networks: dict[str, str]
    ports: tuple[str, ...]


@dataclass(frozen=True)
class Containers(Fact[tuple[ContainerSummary, ...]]):
    """All containers, running or not, by name."""

    def request(self) -> DockerQuery:
        """Return the query: not quiet, all."""
        return DockerQuery("containers", (False, True))

    def parse(self, output: Output) -> tuple[ContainerSummary, ...]:
        """Return the containers sorted by name."""
        listed = load_json(output, "docker ps")
        with parsing("docker ps"):
            found = [_summary(item) for item in typed(list, listed)]
        return tuple(sorted(found, key=lambda item: item.name))

    def absent(self) -> tuple[ContainerSummary, ...]:
        """Return none: without an engine there is no container."""
        return ()


def addresses(step: StepRecord, name: str) -> dict[str, str]:
    """Return host -> address of the container `name`, from a facts step that read `Container(name)`.

    A host on which the container is missing or stopped has an empty address.
    """
    label = Container(name).label
    return {host.host: str((host.facts.get(label) or {}).get("address", "")) for host in step.hosts}


def _summary(item: dict[str, Any]) -> ContainerSummary:
    published = {
        f"{port['PublicPort']}:{port['PrivatePort']}/{port['Type']}"
        for port in item.get("Ports") or []
        if "PublicPort" in port
    }
    return ContainerSummary(
        # Links add names such as `/client/redis`; the container's own name has no such path.
        name=min(item["Names"], key=lambda name: name.count("/")).lstrip("/"),
        image=typed(str, item["Image"]),
        state=typed(str, item["State"]),
        networks=_networks(item.get("NetworkSettings") or {}),
        ports=tuple(sorted(published)),
    )


def _networks(settings: dict[str, Any]) -> dict[str, str]:
    networks = settings.get("Networks") or {}
    return {name: _address(network.get("IPAddress") or "") for name, network in networks.items()}


def _address(text: str) -> str:
    """Return the address; anything else must not become another host's command argument."""
    return str(ipaddress.ip_address(typed(str, text))) if text else ""


def _published(bindings: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        sorted(
            f"{place['HostPort']}:{inside}" for inside, places in bindings.items() for place in places or []
        )
    )
