"""Docker containers: running, or run once to completion."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError
from runbook_lib.facts.container import SPEC_LABEL, Container, Containers, spec_hash
from runbook_lib.facts.image import Image
from runbook_lib.facts.interfaces import require_network
from runbook_lib.facts.ports import ListeningPorts
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations.base import Operation
from runbook_lib.operations.container_conflicts import refuse_foreign, refuse_taken_ports, require_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.container import ContainerState

__all__ = ["IDLE", "Ran", "Running", "ran", "running"]

IDLE = ("sh", "-c", "trap 'exit 0' TERM INT; sleep infinity & wait")
"""A command that keeps a container running and ends at once when it is stopped: the first process of a container is not
ended by a signal that it does not handle, and the engine would wait ten seconds for a plain `sleep`."""

_PORTS = re.compile(r"^\d+:\d+$")


@dataclass(frozen=True)
class Running(Operation):
    """A container is running, made from exactly this specification.

    A container of this name that no runbook made is never touched.

    Args:
        name: The container's name.
        image: Image with tag; it must be on the host.
        command: Program and arguments instead of the image's own.
        publish: TCP ports, host:container: `6379:6379`.
        links: As for `docker run --link`: `redis-server:redis`; they work on the default bridge.
        environment: Variables by name.
        joined: A user-defined network that the container joins in addition to the default bridge, so that names are
            resolved. It must stay on the default bridge: if that is the physical one (book S4), the engine's
            isolation rules drop all traffic between it and any other network.
        aliases: Additional names on that network.
        network: A user-defined network instead of the default bridge: the only one that the container is on.
        within: Subnet that must contain the container's address, as `192.168.0.0/20`.
    """

    name: str
    image: str
    command: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    joined: str | None = None
    aliases: tuple[str, ...] = ()
    network: str | None = None
    within: str | None = None

    def __post_init__(self) -> None:
        """Refuse what the checks could not judge, and two ways to one network.

        Raises:
            ParameterError: A port does not have the form `6379:6379`, `within` is not a network, or networks
                contradict each other.
        """
        if self.within is not None:
            require_network(self.within, f"container {self.name}: within")
        for port in self.publish:
            if not _PORTS.match(port):
                raise ParameterError(
                    f"port {port!r} does not have the form HOST:CONTAINER",
                    where=f"container {self.name}",
                    hint="write 6379:6379",
                )
        if self.network and (self.joined or self.links or self.aliases):
            raise ParameterError(
                f"network={self.network!r} excludes joined, links and aliases: a container on one network is found "
                "by its name",
                where=f"container {self.name}",
                hint="leave one of them out",
            )

    @property
    def settle(self) -> float:
        """A container may exit in its first second, and gets its address a moment after its start."""
        return 10.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return container, image and, if ports are published, who has the host's ports."""
        ports = (ListeningPorts(), Containers()) if self.publish else ()
        return (Container(self.name), Image(self.image), *ports)

    def plan(self, facts: Facts) -> Plan:
        """Run, start or replace the container."""
        container, image = facts[Container(self.name)], facts[Image(self.image)]
        refuse_foreign(self.name, container)
        image = require_image(self.image, image)
        matches = (
            container is not None
            and container.spec == self.spec
            and container.image == image.identifier
            # If a run was cut off between `create` and `network connect`, the spec matches but the network is missing.
            and all(name in container.networks for name in (self.joined, self.network) if name)
        )
        if matches and container and container.running:
            return Plan()
        if self.publish:
            refuse_taken_ports(self.publish, container, facts[ListeningPorts()], facts[Containers()])
        if matches:
            return Plan(
                commands=(
                    Command(("docker", "start", self.name), sudo=True, purpose="the container was stopped"),
                )
            )
        commands = (*self._remove, *self._create) if container else self._create
        before = f"spec {container.spec}, {container.state}" if container else None
        return Plan(
            commands=commands, changes=(Change(f"container {self.name}", before, f"spec {self.spec}"),)
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the container is running, its spec, image, ports, network and address."""
        container, image = facts[Container(self.name)], facts[Image(self.image)]
        if container is None:
            return [Check(f"container {self.name}", "running", "missing", holds=False, id="container.state")]
        checks = [
            Check.equal(f"container {self.name}", "running", container.state, "container.state"),
            Check.equal(f"spec of {self.name}", self.spec, container.spec or "none", "container.spec"),
            Check.equal(
                f"image of {self.name}",
                image.identifier[:19] if image else "none",
                container.image[:19],
                "container.image",
            ),
        ]
        for port in self.publish:
            published = [item.split("/")[0] for item in container.ports]
            checks.append(
                Check(
                    f"port {port} is published",
                    port,
                    ", ".join(published) or "none",
                    holds=port in published,
                    id=f"container.port.{port}",
                )
            )
        network = self.joined or self.network
        if network:
            networks = ", ".join(container.networks)
            checks.append(
                Check(
                    f"{self.name} is on the network",
                    network,
                    networks,
                    holds=network in container.networks,
                    id="container.network",
                )
            )
        return checks + self._address_checks(container)

    @property
    def spec(self) -> str:
        """A short hash of everything the container is made from; stored in its label."""
        further = (self.network,) if self.network else ()  # without it, the hash is that of earlier versions
        return spec_hash(
            self.image,
            self.command,
            self.publish,
            self.links,
            self.environment,
            self.joined,
            self.aliases,
            *further,
        )

    @property
    def _remove(self) -> tuple[Command, ...]:
        return (Command(("docker", "rm", "-f", self.name), sudo=True, purpose="its specification differs"),)

    @property
    def _create(self) -> tuple[Command, ...]:
        options = ["--name", self.name, "--restart", "unless-stopped", "--label", f"{SPEC_LABEL}={self.spec}"]
        options += ["--network", self.network] if self.network else []
        options += _repeated("--publish", self.publish) + _repeated("--link", self.links)
        options += _repeated("--env", tuple(f"{name}={value}" for name, value in self.environment))
        made = (*options, self.image, *self.command)
        if self.joined is None:
            return (Command(("docker", "run", "--detach", *made), sudo=True, purpose=f"run {self.name}"),)
        join = ("docker", "network", "connect", *_repeated("--alias", self.aliases), self.joined, self.name)
        return (
            Command(("docker", "create", *made), sudo=True, purpose=f"create {self.name}, not yet started"),
            Command(join, sudo=True, purpose="names are resolved on that network"),
            Command(("docker", "start", self.name), sudo=True, purpose="start it"),
        )

    def _address_checks(self, container: ContainerState) -> list[Check]:
        if self.within is None:
            return []
        inside = bool(container.address) and (
            ipaddress.ip_address(container.address) in ipaddress.ip_network(self.within, strict=False)
        )
        return [
            Check(
                f"{self.name} has an address in",
                self.within,
                container.address or "no address",
                holds=inside,
                id="container.address",
            )
        ]


@dataclass(frozen=True)
class Ran(Operation):
    """A container has run once and exited with 0; it is kept, stopped, as evidence on the host.

    Args:
        name: The container's name.
        image: Image with tag; it must be on the host.
        command: Program and arguments.
    """

    name: str
    image: str
    command: tuple[str, ...]

    def facts(self) -> Sequence[Fact[Any]]:
        """Return container and image."""
        return (Container(self.name), Image(self.image))

    def plan(self, facts: Facts) -> Plan:
        """Run the container unless it has already run from this image with success."""
        container, image = facts[Container(self.name)], facts[Image(self.image)]
        refuse_foreign(self.name, container)
        image = require_image(self.image, image)
        if container and container.image == image.identifier and self._succeeded(container):
            return Plan()
        argv = ("docker", "run", "--name", self.name, "--label", f"{SPEC_LABEL}={self.spec}", self.image)
        commands = [Command((*argv, *self.command), sudo=True, purpose="run a real container")]
        if container:
            commands.insert(
                0,
                Command(
                    ("docker", "rm", "-f", self.name), sudo=True, purpose="an earlier run differs or failed"
                ),
            )
        return Plan(commands=tuple(commands))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that it has exited with 0, its spec and its image."""
        container, image = facts[Container(self.name)], facts[Image(self.image)]
        if container is None:
            return [
                Check(f"container {self.name}", "exited with 0", "missing", holds=False, id="container.state")
            ]
        return [
            Check.equal(
                f"container {self.name}",
                "exited with 0",
                f"{container.state} with {container.exit_code}",
                "container.state",
            ),
            Check.equal(f"spec of {self.name}", self.spec, container.spec or "none", "container.spec"),
            Check.equal(
                f"image of {self.name}",
                image.identifier[:19] if image else "none",
                container.image[:19],
                "container.image",
            ),
        ]

    @property
    def spec(self) -> str:
        """A short hash of everything the container is made from."""
        return spec_hash(self.image, self.command)

    def _succeeded(self, container: ContainerState) -> bool:
        return container.spec == self.spec and container.state == "exited" and container.exit_code == 0


def _repeated(option: str, values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in (option, value)]


running = Running
ran = Ran
