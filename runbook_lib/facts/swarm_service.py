"""Services of Docker's swarm: several containers under one name, on any of its hosts."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, load_json, parsing, typed
from runbook_lib.facts.container import SPEC_LABEL
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, DockerQuery, Output

__all__ = ["SwarmService", "SwarmServiceState", "SwarmTask", "SwarmTasks"]

_FORMAT = r"{{.Node}}\t{{.CurrentState}}\t{{.Error}}"
_COLUMNS = 3
_UNKNOWN = ("no such service", "not a swarm manager")


@dataclass(frozen=True)
class SwarmServiceState:
    """One service.

    Args:
        spec: Hash of what a runbook made it from; None if no runbook made it.
        image: Its image, perhaps with a digest.
        replicas: How many containers it is to have; 0 for a service with one on each host.
        endpoint: `vip`: its name leads to a virtual address; `dnsrr`: to the addresses of its containers.
        updated: Whether it was changed since it was made, in whatever way.
    """

    spec: str | None
    image: str
    replicas: int
    endpoint: str
    updated: bool = False


@dataclass(frozen=True)
class SwarmService(Fact[SwarmServiceState | None]):
    """A service by name; None if it does not exist. Only managers answer.

    Args:
        name: The service's name.
    """

    name: str

    def request(self) -> DockerQuery:
        """Return the query."""
        return DockerQuery("inspect_service", (self.name,))

    def parse(self, output: Output) -> SwarmServiceState | None:
        """Return the service's state."""
        inspected = load_json(output, "docker service inspect")
        if inspected is None:
            return None
        with parsing(f"docker service inspect of {self.name}"):
            spec = typed(dict, inspected["Spec"])
            labels = typed(dict, spec.get("Labels") or {})
            replicated = typed(dict, spec["Mode"]).get("Replicated") or {}
            return SwarmServiceState(
                spec=typed(str, labels[SPEC_LABEL]) if SPEC_LABEL in labels else None,
                image=typed(str, spec["TaskTemplate"]["ContainerSpec"]["Image"]),
                replicas=typed(int, replicated.get("Replicas", 0)),
                endpoint=typed(str, (spec.get("EndpointSpec") or {}).get("Mode", "vip")),
                updated=bool(inspected.get("PreviousSpec")),
            )

    def absent(self) -> None:
        """Return None: without a swarm there is no service."""
        return


@dataclass(frozen=True)
class SwarmTask:
    """One container of a service: its host, its state as the swarm says it, and its problem, if it has one."""

    host: str
    state: str
    problem: str

    @property
    def running(self) -> bool:
        """Whether the container is running."""
        return self.state.startswith("Running")


@dataclass(frozen=True)
class SwarmTasks(Fact[tuple[SwarmTask, ...]]):
    """The containers that a service is to have now; none if there is no such service. Only managers answer.

    Args:
        service: The service's name.
    """

    service: str

    def request(self) -> Command:
        """Return the command."""
        listing = ("--no-trunc", "--filter", "desired-state=running", "--format", _FORMAT)
        return Command(("docker", "service", "ps", *listing, self.service), sudo=True, accept=(0, 1))

    def parse(self, output: Output) -> tuple[SwarmTask, ...]:
        r"""Return the containers, sorted by host.

        >>> SwarmTasks("web").parse(Output(0, "host-a\tRunning 2 seconds ago\t\n"))
        (SwarmTask(host='host-a', state='Running 2 seconds ago', problem=''),)
        """
        if output.exit_code != 0:
            if any(reason in output.stderr for reason in _UNKNOWN):
                return ()
            raise FactError(f"docker service ps: {excerpt(output.stderr.strip(), 200)}")
        tasks = []
        for line in lines_of(output.stdout):
            columns = line.split("\t")
            if len(columns) != _COLUMNS:
                raise FactError(f"docker service ps: unexpected output {excerpt(line, 80)!r}")
            tasks.append(SwarmTask(*columns))
        return tuple(sorted(tasks, key=lambda task: (task.host, task.state)))
