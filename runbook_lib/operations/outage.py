"""Outages on purpose: containers that are stopped, or a network that is cut, for some seconds.

The host itself ends the outage, by a unit of systemd: whatever becomes of the run, of its connection, or of the program
that makes the outage, everything is started again, or the network joined. A reboot ends a cut network as well; a
container that was stopped stays stopped if the host reboots within those seconds.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError, PlanRefused
from runbook_lib.facts.answer import Answer
from runbook_lib.facts.container import Container
from runbook_lib.facts.service import Service
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations.base import Operation, Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["DELAY", "Containers", "Network", "Over", "containers", "network", "over"]

DELAY = 4
"""Seconds from the step to the outage: time for the client to begin to ask."""
_UNIT = "runbook-outage"
_STATES = (Service(f"{_UNIT}.timer"), Service(f"{_UNIT}.service"))
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CHAIN = "RUNBOOK-OUTAGE"
_RULES = Answer(("iptables", "-w", "10", "-t", "raw", "-S", "PREROUTING"))
# The port of the SSH server stays open: the host must not be lost, whatever happens.
_CUT = """set -e
raw() { iptables -w 10 -t raw "$@"; }
raw -N "$1"; raw -A "$1" -p tcp --dport "$3" -j RETURN; raw -A "$1" -j DROP
raw -I PREROUTING -m physdev --physdev-in "$2" -j "$1"
raw -I PREROUTING -i "$2" -j "$1"
sleep "$4\""""


@dataclass(frozen=True)
class Containers(Operation):
    """Containers are stopped some seconds after this step, and started again by the host. Make one with `containers`.

    Args:
        names: The containers; those that are not running stay as they are.
        seconds: How long they are stopped.

    Raises:
        ParameterError: There would be no outage.
    """

    names: tuple[str, ...]
    seconds: int

    def __post_init__(self) -> None:
        """Refuse an outage of nothing, or for no time."""
        _refuse_no_outage(self.seconds, self.names)

    @property
    def verifiable(self) -> bool:
        """What has stopped and is running again shows no trace of it."""
        return False

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the containers, and whether an outage is under way."""
        return (*_STATES, *map(Container, self.names))

    def plan(self, facts: Facts) -> Plan:
        """Have the host stop the containers in a moment, and start them again."""
        _refuse_second(facts)
        running = [name for name in self.names if (state := facts[Container(name)]) and state.running]
        if not running:
            raise PlanRefused(
                f"no container {' or '.join(self.names)} is running: there is nothing to stop",
                hint="run 40_ambassador_redis first",
            )
        stop = ("sh", "-c", 'seconds=$1; shift; docker stop --time 0 "$@" && sleep "$seconds"', "sh")
        return _plan(
            (*stop, str(self.seconds), *running),
            shlex.join(("docker", "start", *running)),
            f"stop {', '.join(running)} for {self.seconds} s, from {DELAY} s on",
            Change(", ".join(running), "running", f"stopped for {self.seconds} s, then running"),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the outage will begin, or has begun."""
        return [_scheduled(facts)]


@dataclass(frozen=True)
class Network(Operation):
    """What arrives by a network interface is dropped some seconds after this step, for some seconds. See `network`.

    For others the host is as good as switched off, except for its SSH server.

    Args:
        interface: The physical interface, a port of a bridge or not.
        ssh_port: The port of the host's SSH server, which stays open.
        seconds: How long.

    Raises:
        ParameterError: There would be no outage.
    """

    interface: str
    ssh_port: int
    seconds: int

    def __post_init__(self) -> None:
        """Refuse an outage of nothing, or for no time."""
        _refuse_no_outage(self.seconds, (self.interface,))

    @property
    def verifiable(self) -> bool:
        """What was dropped shows no trace."""
        return False

    def facts(self) -> Sequence[Fact[Any]]:
        """Return whether an outage is under way, or the rules of one are there."""
        return (*_STATES, _RULES)

    def plan(self, facts: Facts) -> Plan:
        """Have the host drop packets in a moment, and accept them again."""
        _refuse_second(facts)
        if facts[_RULES].failure:
            raise PlanRefused(
                f"the packets of {self.interface} cannot be dropped: {facts[_RULES].failure}",
                hint="the host needs iptables, which Docker needs too",
            )
        parts = f"iptables -w 10 -t raw -D PREROUTING -i {self.interface} -j {_CHAIN}"
        bridged = f"iptables -w 10 -t raw -D PREROUTING -m physdev --physdev-in {self.interface} -j {_CHAIN}"
        flush = f"iptables -w 10 -t raw -F {_CHAIN}; iptables -w 10 -t raw -X {_CHAIN}"
        return _plan(
            ("sh", "-c", _CUT, "sh", _CHAIN, self.interface, str(self.ssh_port), str(self.seconds)),
            f"{parts}; {bridged}; {flush}",
            f"drop what arrives by {self.interface}, but not for SSH, for {self.seconds} s, from {DELAY} s on",
            Change(f"packets that arrive by {self.interface}", "accepted", f"dropped for {self.seconds} s"),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the outage will begin, or has begun."""
        return [_scheduled(facts)]


@dataclass(frozen=True)
class Over(Probe):
    """No outage is under way, and what it has stopped is as before. Make one with `over`.

    Args:
        running: Containers that must be running.
    """

    running: tuple[str, ...] = ()

    @property
    def settle(self) -> float:
        """The outage may still be under way."""
        return 60.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return whether an outage is under way, its rules, and the containers."""
        return (*_STATES, _RULES, *map(Container, self.running))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that nothing of it is left."""
        left = [state.unit for state in _STATES if facts[state].active in {"active", "activating"}]
        dropped = [line for line in facts[_RULES].text.splitlines() if _CHAIN in line]
        rules = facts[_RULES].failure or "; ".join(dropped) or "none"
        states = {name: facts[Container(name)] for name in self.running}
        return [
            Check.equal("outages under way", "none", ", ".join(left) or "none", "outage.under_way"),
            Check.equal("rules that drop packets", "none", rules, "outage.rules"),
            *(
                Check.equal(
                    f"container {name}",
                    "running",
                    state.state if state else "missing",
                    f"outage.running.{name}",
                )
                for name, state in states.items()
            ),
        ]


def _plan(argv: tuple[str, ...], restore: str, purpose: str, change: Change) -> Plan:
    """Return the plan: a timer of systemd for the outage; its unit restores, however the program of the outage ends."""
    unit = ("systemd-run", "--quiet", "--collect", f"--unit={_UNIT}", f"--on-active={DELAY}")
    options = ("--timer-property=AccuracySec=100ms", f'--property=ExecStopPost=/bin/sh -c "{restore}"')
    command = Command((*unit, *options, "--", *argv), sudo=True, safe_to_interrupt=False, purpose=purpose)
    return Plan(commands=(command,), changes=(change,))


def _scheduled(facts: Facts) -> Check:
    states = ", ".join(f"{state.unit} {facts[state].active}" for state in _STATES)
    return Check("an outage is scheduled", "a timer", states, _under_way(facts), "outage.scheduled")


def _under_way(facts: Facts) -> bool:
    """Whether an outage will begin, or has begun, and is not over."""
    return any(facts[state].active in {"active", "activating", "deactivating"} for state in _STATES)


def _refuse_second(facts: Facts) -> None:
    if _under_way(facts):
        raise PlanRefused(
            "an outage is under way on this host", hint="wait some seconds; the host itself ends an outage"
        )


def _refuse_no_outage(seconds: int, names: tuple[str, ...]) -> None:
    # The names become part of a command line of systemd.
    if seconds < 1 or not names or not all(_NAME.fullmatch(name) for name in names):
        raise ParameterError(
            f"an outage of {', '.join(names) or 'nothing'} for {seconds} s is not possible",
            where="outage",
            hint="name containers or an interface, and give at least 1 second",
        )


containers = Containers
network = Network
over = Over
