"""Docker's swarm, which gives engines on several hosts common networks (book S8)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.interfaces import require_address
from runbook_lib.facts.ports import ListeningPorts, PortOpen
from runbook_lib.facts.swarm import SwarmMembership
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations import undo
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.swarm import SwarmState

__all__ = ["PORT", "Joined", "Managed", "joined", "managed", "require_manager"]

PORT = 2377
"""The TCP port on which a manager receives the other engines."""

_OPEN = "open TCP 2377, TCP and UDP 7946 and UDP 4789 between the hosts"
# What it prints has the token with which anybody may join.
_BEGIN = 'exec docker swarm init --advertise-addr "$1" >/dev/null'
# docker takes the token only as an argument; it is in the host's list of processes while the command runs.
_JOIN = 'token=$(cat) && exec docker swarm join --token "$token" "$1"'


@dataclass(frozen=True)
class Managed(Operation):
    """The host's engine manages a swarm, and is known in it by an address.

    Args:
        address: The host's physical address, at which the other engines reach it.

    Raises:
        ParameterError: It is not an address.
    """

    address: str

    def __post_init__(self) -> None:
        """Refuse what is not an address."""
        require_address(self.address)

    @property
    def settle(self) -> float:
        """A new manager elects itself first."""
        return 30.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the engine's place in a swarm, and who has the port."""
        return (SwarmMembership(), ListeningPorts())

    def plan(self, facts: Facts) -> Plan:
        """Begin a swarm unless the engine manages one."""
        swarm = facts[SwarmMembership()]
        _refuse_unfit(swarm)
        if swarm.state == "active":
            if not swarm.manager:
                raise PlanRefused(
                    f"the engine is a worker of another swarm, with the manager {_managers(swarm)}",
                    hint=_LEAVE,
                )
            if swarm.address != self.address:
                raise PlanRefused(
                    f"the engine manages a swarm at the address {swarm.address}, not at {self.address}",
                    hint="give that address as a parameter, or end the swarm: `docker swarm leave --force`",
                )
            return Plan()
        taken = [listener for listener in facts[ListeningPorts()] if listener.port == PORT]
        if taken:
            raise PlanRefused(
                f"port {PORT} is in use by {taken[0].program or 'another program'} on {taken[0].address}",
                hint="stop that program: a swarm's manager has no other port",
            )
        begin = ("sh", "-c", _BEGIN, "sh", self.address)
        return Plan(
            commands=(Command(begin, sudo=True, timeout=60, purpose="begin a swarm with this engine"),),
            changes=(Change("swarm", None, f"managed at {self.address}"),),
            rollback=(undo.leave_swarm("end the new swarm", force=True),),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the engine is in a swarm, manages it, and is known by the address."""
        swarm = facts[SwarmMembership()]
        return [
            *_membership_checks(swarm, manages=True),
            Check.equal("address in the swarm", self.address, swarm.address or "none", "swarm.address"),
        ]


@dataclass(frozen=True)
class Joined(Operation):
    """The host's engine is a worker of the swarm that is managed at an address.

    Args:
        manager: The manager's address.
        token: The token to join with, needed only by an engine that is not in the swarm yet. It is sent on standard
            input, and recorded by reference.

    Raises:
        ParameterError: `manager` is not an address.
    """

    manager: str
    token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Refuse what is not an address."""
        require_address(self.manager)

    @property
    def settle(self) -> float:
        """The manager has to admit the engine."""
        return 30.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the engine's place in a swarm, and whether the manager can be reached from the host."""
        return (SwarmMembership(), self._port)

    def plan(self, facts: Facts) -> Plan:
        """Join the swarm."""
        swarm, problem = facts[SwarmMembership()], facts[self._port]
        _refuse_unfit(swarm)
        if swarm.state == "active":
            if swarm.manager or self._endpoint not in swarm.managers:
                role = "manages" if swarm.manager else "is a worker of"
                raise PlanRefused(
                    f"the engine {role} another swarm, with the manager {_managers(swarm)}", hint=_LEAVE
                )
            return Plan()
        if problem:
            raise PlanRefused(
                f"port {PORT} of the manager {self.manager} cannot be reached from this host: {problem}",
                hint=_OPEN,
            )
        if not self.token:
            raise PlanRefused(
                "there is no token to join the swarm with",
                hint="read JoinToken on the manager in a step before this one, and pass Runbook.secret of it",
            )
        join = Command(
            ("sh", "-c", _JOIN, "sh", self._endpoint),
            stdin=self.token,
            sudo=True,
            timeout=60,
            purpose="join the swarm as a worker",
        )
        return Plan(
            commands=(join,),
            changes=(Change("swarm", None, f"worker of {self._endpoint}"),),
            rollback=(undo.leave_swarm("leave the swarm again"),),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the engine is in the swarm of that manager, and not a manager itself."""
        swarm = facts[SwarmMembership()]
        return [
            *_membership_checks(swarm, manages=False),
            Check(
                "manager of the swarm",
                self._endpoint,
                _managers(swarm),
                holds=self._endpoint in swarm.managers,
                id="swarm.managed_at",
            ),
        ]

    @property
    def _endpoint(self) -> str:
        return f"{self.manager}:{PORT}"

    @property
    def _port(self) -> PortOpen:
        return PortOpen(PORT, self.manager, "host")


_LEAVE = "if nothing on the host needs that swarm, leave it: `docker swarm leave` (a manager: with --force)"


def _refuse_unfit(swarm: SwarmState) -> None:
    if swarm.live_restore:
        raise PlanRefused(
            "the engine has the option live-restore, which excludes a swarm",
            hint='remove "live-restore" from /etc/docker/daemon.json and restart docker',
        )
    if swarm.state not in {"active", "inactive"}:
        raise PlanRefused(
            f"the engine's swarm is in the state {swarm.state!r}",
            hint="see `docker info` and `journalctl -u docker` on the host; `locked` is ended by `docker swarm unlock`",
        )


def require_manager(what: str, swarm: SwarmState) -> None:
    """Refuse what only a manager of a swarm can create.

    Args:
        what: A network or a service, with its name.
        swarm: The engine's place in a swarm.

    Raises:
        PlanRefused: The engine manages none.
    """
    if swarm.state != "active" or not swarm.manager:
        raise PlanRefused(
            f"{what} cannot be created here: the engine does not manage a swarm",
            hint="add a step with swarm.managed before this one, or restrict the step to the manager",
        )


def _membership_checks(swarm: SwarmState, *, manages: bool) -> list[Check]:
    return [
        Check.equal("the engine's swarm", "active", swarm.state, "swarm.state"),
        Check.equal(
            "the engine manages the swarm", expected=manages, observed=swarm.manager, id="swarm.manager"
        ),
    ]


def _managers(swarm: SwarmState) -> str:
    return ", ".join(swarm.managers) or "none"


managed = Managed
joined = Joined
