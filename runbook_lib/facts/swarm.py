"""Docker's swarm: whether a host's engine is in one, and in which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, load_json, parsing, typed
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, DockerQuery, Output

if TYPE_CHECKING:
    from runbook_lib.model.records import StepRecord

__all__ = ["JoinToken", "SwarmMembership", "SwarmState", "join_token"]

_NOT_A_MANAGER = "not a swarm manager"


@dataclass(frozen=True)
class SwarmState:
    """An engine's place in a swarm.

    Args:
        state: As `inactive`, `active`, `pending`, `locked`, `error`.
        manager: Whether the engine is one of the swarm's managers.
        address: The address that the engine is known by in the swarm; empty if it is in none.
        managers: Addresses and ports of the swarm's managers, as `192.168.7.31:2377`.
        live_restore: Whether the engine keeps containers running while it restarts, which excludes a swarm.
    """

    state: str
    manager: bool
    address: str
    managers: tuple[str, ...]
    live_restore: bool = False


@dataclass(frozen=True)
class SwarmMembership(Fact[SwarmState]):
    """The engine's place in a swarm."""

    def request(self) -> DockerQuery:
        """Return the query."""
        return DockerQuery("info")

    def parse(self, output: Output) -> SwarmState:
        """Return the state."""
        info = load_json(output, "docker info")
        with parsing("docker info"):
            swarm = typed(dict, info["Swarm"])
            managers = typed(list, swarm.get("RemoteManagers") or [])
            return SwarmState(
                state=typed(str, swarm["LocalNodeState"]),
                manager=typed(bool, swarm["ControlAvailable"]),
                address=typed(str, swarm.get("NodeAddr", "")),
                managers=tuple(sorted(typed(str, manager["Addr"]) for manager in managers)),
                live_restore=typed(bool, info.get("LiveRestoreEnabled", False)),
            )

    def absent(self) -> SwarmState:
        """Return the state of an engine that is in no swarm."""
        return SwarmState("inactive", manager=False, address="", managers=())


@dataclass(frozen=True)
class JoinToken(Fact[str]):
    """The token with which another engine joins the swarm as a worker; empty if the host manages no swarm.

    The token is a secret: the run masks it before it is recorded.
    """

    def request(self) -> Command:
        """Return the command."""
        return Command(
            ("docker", "swarm", "join-token", "--quiet", "worker"),
            sudo=True,
            accept=(0, 1),
            secret_output="swarm join token",  # noqa: S106 - its name
        )

    def parse(self, output: Output) -> str:
        """Return the token."""
        token = output.stdout.strip()
        if output.exit_code == 1 and _NOT_A_MANAGER in output.stderr:
            return ""
        if output.exit_code != 0 or not token.startswith("SWMTKN-") or not token.isprintable():
            shown = output.stderr.strip() or "no token"
            raise FactError(f"docker swarm join-token: unexpected output {excerpt(shown, 200)!r}")
        return token


def join_token(step: StepRecord) -> str:
    """Return the reference to the join token that a facts step has read; empty if no host has one.

    `Runbook.secret` returns the token for the reference, in the same run.

    Args:
        step: The step, which read `JoinToken`.
    """
    found = (str(host.facts.get(JoinToken().label) or "") for host in step.hosts)
    return next(filter(None, found), "")
