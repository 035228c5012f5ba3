"""Services of Docker's swarm: several containers under one name, on any of its hosts (book S8)."""

from __future__ import annotations

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

__all__ = ["Running", "running"]


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
        if service and service.spec == self.spec:
            return Plan()
        create = Command(
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
        replace = undo.remove_service(self.name, "a service that was made in another way")
        return Plan(
            commands=(replace, create) if service else (create,),
            changes=(
                Change(
                    f"service {self.name}", f"spec {service.spec}" if service else None, f"spec {self.spec}"
                ),
            ),
            # What the former service was made from is not known in full: one that was replaced is not restored.
            rollback=() if service else (undo.remove_service(self.name),),
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
            Check.equal(f"spec of {self.name}", self.spec, service.spec or "none", "swarm_service.spec"),
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


running = Running
