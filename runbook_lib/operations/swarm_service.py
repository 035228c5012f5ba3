"""Services of Docker's swarm: several containers under one name, on any of its hosts (book S8)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runbook_lib.errors import ParameterError, PlanRefused
from runbook_lib.facts.container import SPEC_LABEL, spec_hash
from runbook_lib.facts.kernel_features import HasIpvs
from runbook_lib.facts.swarm import SwarmMembership
from runbook_lib.facts.swarm_service import SwarmService, SwarmTasks
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations import undo
from runbook_lib.operations.base import Operation
from runbook_lib.operations.swarm import require_manager

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.swarm_service import SwarmServiceState

__all__ = ["Running", "running"]

_IMAGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._:/@-]*")  # an argument, and not an option, of Docker's program


@dataclass(frozen=True)
class Running(Operation):
    """A service runs on a network of the swarm with so many containers, which the swarm replaces if a host fails.

    The step is for a manager. Every host of the swarm must have the image, or be able to pull it.

    Args:
        name: The service's name, by which the containers of the network reach it.
        image: Image with tag.
        network: The overlay network.
        replicas: How many containers.
        endpoint: `vip`: the name leads to a virtual address, which the kernel balances with ip_vs; `dnsrr`: the name
            leads to the addresses of the containers in turn, which needs nothing of the kernel.

    Raises:
        ParameterError: There would be no container.
    """

    name: str
    image: str
    network: str
    replicas: int = 1
    endpoint: Literal["vip", "dnsrr"] = "vip"

    def __post_init__(self) -> None:
        """Refuse a service without containers."""
        if self.replicas < 1:
            raise ParameterError(
                f"a service with {self.replicas} containers does not run",
                where=f"service {self.name}",
                hint="from 1 on",
            )

    @property
    def settle(self) -> float:
        """The swarm chooses the hosts, and these start the containers, and perhaps pull the image first."""
        return 120.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return swarm, service and its containers; with a virtual address whether the kernel has ip_vs."""
        kernel = (HasIpvs(),) if self.endpoint == "vip" else ()
        return (SwarmMembership(), SwarmService(self.name), SwarmTasks(self.name), *kernel)

    def plan(self, facts: Facts) -> Plan:
        """Create the service, or replace one that a runbook made in another way."""
        swarm, service = facts[SwarmMembership()], facts[SwarmService(self.name)]
        if self.endpoint == "vip" and not facts[HasIpvs()]:
            raise PlanRefused(
                f"service {self.name!r} cannot have a virtual address: the kernel has no ip_vs, and the address would "
                "not answer, without an error",
                hint='use endpoint="dnsrr", or a kernel with CONFIG_IP_VS',
            )
        require_manager(f"service {self.name!r}", swarm)
        if service and service.spec is None:
            raise PlanRefused(
                f"the name {self.name!r} is used by another service, which was not made by a runbook",
                hint="give the runbook another name",
            )
        if service is None:
            change = Change(f"service {self.name}", None, f"spec {self.spec}")
            rollback = undo.remove_service(self.name)
            return Plan(commands=(self._create,), changes=(change,), rollback=(rollback,))
        observed = self._observed(service)
        if observed == self.spec:
            return Plan()
        former = self._former(service)
        final = "" if former else "; what it was made from is not known: this cannot be undone"
        remove = undo.remove_service(self.name, f"a service that was made in another way{final}")
        return Plan(
            commands=(remove, self._create),
            changes=(Change(f"service {self.name}", f"spec {observed}{final}", f"spec {self.spec}"),),
            rollback=(former,) if former else (),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check the service's spec and that all of its containers run; say on which hosts, and what keeps others."""
        service, tasks = facts[SwarmService(self.name)], facts[SwarmTasks(self.name)]
        if service is None:
            return [
                Check(f"service {self.name}", "running", "missing", holds=False, id="swarm_service.state")
            ]
        up = [task.host for task in tasks if task.running]
        problems = [
            f"{task.host or 'no host'}: {task.problem or task.state}" for task in tasks if not task.running
        ]
        observed = "; ".join([f"{len(up)} ({', '.join(up) or 'no host'})", *problems])
        return [
            Check.equal(f"spec of {self.name}", self.spec, self._observed(service), "swarm_service.spec"),
            Check(
                f"containers of {self.name} that run",
                str(self.replicas),
                excerpt(observed, 300),
                holds=len(up) == self.replicas,
                id="swarm_service.containers",
            ),
        ]

    @property
    def spec(self) -> str:
        """A short hash of everything the service is made from; stored in its label."""
        return spec_hash(self.image, self.network, self.replicas, self.endpoint)

    @property
    def _create(self) -> Command:
        return Command(
            (
                *("docker", "service", "create", "--detach", "--name", self.name),
                *("--label", f"{SPEC_LABEL}={self.spec}", "--network", self.network),
                *("--replicas", str(self.replicas), "--endpoint-mode", self.endpoint),
                # The image of a tag may be another one on another day, or the registry may not be there.
                *("--no-resolve-image", self.image),
            ),
            sudo=True,
            timeout=60,
            purpose=f"{self.replicas} containers under one name",
        )

    def _observed(self, service: SwarmServiceState) -> str:
        """Return the spec that the service has; also what was changed since a runbook labelled it."""
        if service.spec != self.spec:
            return service.spec or "none"
        wanted = (_with_tag(self.image), str(self.replicas), self.endpoint)
        observed = (_with_tag(service.image), str(service.replicas), service.endpoint)
        names = ("image", "replicas", "endpoint")
        since = [
            f"{name} {is_now}"
            for name, is_now, was in zip(names, observed, wanted, strict=True)
            if is_now != was
        ]
        return f"{service.spec}, changed since: {', '.join(since)}" if since else service.spec

    def _former(self, service: SwarmServiceState) -> Command | None:
        """Return the command that makes the former service again; None if its label does not prove what it was.

        The label is a hash of everything that a runbook makes a service from. A service on another network does not
        have the hash of what is known of it, and what an update has changed is not known.
        """
        if service.updated or (
            not _IMAGE.fullmatch(service.image)
            or service.replicas < 1
            or service.endpoint not in {"vip", "dnsrr"}
        ):
            return None
        endpoint: Literal["vip", "dnsrr"] = "vip" if service.endpoint == "vip" else "dnsrr"
        former = Running(self.name, service.image, self.network, service.replicas, endpoint)
        if former.spec != service.spec:
            return None
        return undo.restore_service(self.name, SPEC_LABEL, self.spec, former.spec, former._create)


def _with_tag(image: str) -> str:
    """Return an image's name as Docker writes it into a service: short, and with a tag."""
    short = image.removeprefix("docker.io/").removeprefix("library/")
    return short if ":" in short.rpartition("/")[2] or "@" in short else f"{short}:latest"


running = Running
