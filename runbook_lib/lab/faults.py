"""Inject faults into a running lab, and repair them.

cable                hosts cannot reach each other; control still reaches all of them
unplug:HOST          the cable of the host's first interface is pulled out of the switch
docker-down:HOST     the host's Docker engine and its socket are stopped
power:HOST           the host's power is cut; the repair switches the host on again
random               a fault that `91_drill` finds, which is not named
others               faults inside of a host, for the drills: `runbook_lib.books.docker.faults`
"""

from __future__ import annotations

import secrets
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.books.docker.faults import DRILL_GROUP, HOST_FAULTS, PREAMBLE
from runbook_lib.errors import InputError, LabError
from runbook_lib.known_names import complete_name
from runbook_lib.lab import switch
from runbook_lib.lab.hosts.registry import host_class, lab_host
from runbook_lib.lab.state import running_state
from runbook_lib.lab.system.paths import locked

if TYPE_CHECKING:
    from collections.abc import Collection

    from runbook_lib.lab.state import LabState
    from runbook_lib.lab.system.paths import LabPaths

__all__ = ["FAULTS", "RANDOM", "UNNAMED", "Faults", "drill_faults"]

RANDOM = "random"
"""Word for a fault that is chosen, and not named."""
UNNAMED = "one that is not named"
"""What the lab's status says of it."""
_LAB = {
    "cable": "the hosts cannot reach each other",
    "unplug": "the cable of the host's first interface is unplugged",
    "power": "the host's power is cut",
    "docker-down": "the Docker engine is stopped",
}
_STOP_DOCKER = "systemctl stop docker.socket docker.service"
_START_DOCKER = "systemctl start docker.socket docker.service"
_DOCKER_HINT = "is Docker installed on the host? `runbook run 20_docker_install` installs it"
_NEED_HINT = "once the host has what the fault needs, break it again; `runbook lab break` lists all faults"

FAULTS = ("cable", *(f"{name}:HOST" for name in (*_LAB, *HOST_FAULTS) if name != "cable"))
"""Every fault, as `runbook lab break` takes it; HOST may be left out where only one host can have it."""


@dataclass(frozen=True)
class _Fault:
    """A fault of a lab that is up.

    Args:
        kind: Its name without the host.
        host: The host; empty for a fault of the switch.
    """

    kind: str
    host: str

    @property
    def name(self) -> str:
        """As it is kept in the lab's state."""
        return f"{self.kind}:{self.host}" if self.host else self.kind

    @property
    def description(self) -> str:
        """What is broken."""
        return HOST_FAULTS[self.kind].breaks if self.kind in HOST_FAULTS else _LAB[self.kind]


class Faults:
    """The faults of one lab.

    `cable` and `unplug` persist over a reboot of the host; a reboot ends `docker-down`.

    Args:
        paths: The lab's files.
    """

    def __init__(self, paths: LabPaths) -> None:
        self._paths = paths

    def inject(self, fault: str) -> str:
        """Inject a fault.

        Args:
            fault: One of `FAULTS`, with a host's name in place of HOST; or `random`.

        Returns:
            The fault, with its host.

        Raises:
            InputError: The fault or the host is unknown, or this host cannot have this fault.
            LabError: The lab is not up, or the fault could not be injected.
        """
        with locked(self._paths.lock):
            state = running_state(self._paths)
            if fault == RANDOM:
                return self._inject_any(state).name
            parsed = _parse(fault, state)
            self._inject(parsed, state)
            return parsed.name

    def repair(self) -> list[str]:
        """Repair every fault.

        Returns:
            The faults that were repaired.

        Raises:
            LabError: The lab is not up, or a fault could not be repaired.
        """
        with locked(self._paths.lock):
            return self.repair_locked(running_state(self._paths))

    def repair_locked(self, state: LabState, *, reinstalled: Collection[str] = ()) -> list[str]:
        """Repair every fault, for a caller that holds the lab's lock.

        Args:
            state: The lab's state; each fault is removed from it when it is repaired.
            reinstalled: Hosts that are about to be reset, so that only the switch needs to be repaired for them.

        Returns:
            The faults that were repaired.

        Raises:
            LabError: A fault could not be repaired.
        """
        order = ("cable", "unplug", "power")  # a host is repaired once it is on
        faults = sorted(
            (_parse(name, state) for name in state.faults),
            key=lambda fault: order.index(fault.kind) if fault.kind in order else len(order),
        )
        for fault in faults:
            if fault.kind in {"cable", "unplug"} or fault.host not in reinstalled:
                self._repair(fault, state)
            state.faults = [other for other in state.faults if other != fault.name]
            state.hidden = [other for other in state.hidden if other != fault.name]
            state.save(self._paths)
        return [fault.name for fault in faults]

    @staticmethod
    def summaries() -> dict[str, str]:
        """Return every fault, as `inject` takes it, and what it breaks."""
        return {name: _Fault(name.partition(":")[0], "").description for name in FAULTS}

    def describe(self, fault: str) -> str:
        """Return what a fault breaks, in a sentence.

        Args:
            fault: As in the lab's state.

        Raises:
            InputError: The fault or the host is unknown.
            LabError: The lab is not up.
        """
        return _parse(fault, running_state(self._paths)).description

    def _inject_any(self, state: LabState) -> _Fault:
        """Inject a fault that this lab can have now, chosen by chance; its name is kept secret."""
        candidates = drill_faults(state)
        while candidates:
            chosen = _parse(candidates.pop(secrets.randbelow(len(candidates))), state)
            try:
                self._inject(chosen, state, hidden=True)
            except LabError:
                continue  # the host is not as far in the chapter
            return chosen
        raise LabError(
            "no fault can be injected", where=f"lab {self._paths.name}", hint="`runbook lab repair`"
        )

    def _inject(self, fault: _Fault, state: LabState, *, hidden: bool = False) -> None:
        before, hidden_before = state.faults, state.hidden
        state.faults = sorted({*before, fault.name})
        state.hidden = [*hidden_before, fault.name] if hidden else hidden_before
        state.save(self._paths)
        try:
            self._break(fault, state)
        except LabError:
            state.faults, state.hidden = before, hidden_before
            state.save(self._paths)
            raise

    def _break(self, fault: _Fault, state: LabState) -> None:
        if fault.kind == "cable":
            switch.isolate(self._paths.switch, isolated=True)
        elif fault.kind == "unplug":
            switch.set_port(self._paths.switch, _first_port(state, fault.host), up=False)
        elif fault.kind == "power":
            lab_host(self._paths, state.topology, fault.host).stop()
        elif fault.kind == "docker-down":
            self._execute(fault, state, _STOP_DOCKER, "stop the Docker engine", _DOCKER_HINT)
        else:
            script = HOST_FAULTS[fault.kind].inject
            self._execute(fault, state, script, "inject the fault", _NEED_HINT)

    def _repair(self, fault: _Fault, state: LabState) -> None:
        if fault.kind == "cable":
            switch.isolate(self._paths.switch, isolated=False)
        elif fault.kind == "unplug":
            switch.set_port(self._paths.switch, _first_port(state, fault.host), up=True)
        elif fault.kind == "power":
            host = lab_host(self._paths, state.topology, fault.host)
            if not host.running():
                host.start()
            host.wait()
        elif fault.kind == "docker-down":
            self._execute(fault, state, _START_DOCKER, "start the Docker engine", _DOCKER_HINT)
        else:
            script = HOST_FAULTS[fault.kind].repair
            self._execute(fault, state, script, "repair the fault", "`runbook lab reset` makes the host new")

    def _execute(self, fault: _Fault, state: LabState, script: str, what: str, hint: str) -> None:
        """Run a fault's script on its host."""
        plan = state.hosts[fault.host]
        others = [
            other.address for name, other in state.hosts.items() if name != fault.host and other.address
        ]
        first = plan.interfaces[plan.first_interface]
        expired = self._paths.tls / "registry.expired.crt"
        values = {
            "OWN": first.address or "",
            "OTHER": others[0] if others else "",
            "GATEWAY": first.gateway or "",
            "PORT": "6379",
            "EXPIRED": expired.read_text(encoding="ascii") if expired.exists() else "",
        }
        words = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
        try:
            lab_host(self._paths, state.topology, fault.host).execute(f"{words}{PREAMBLE}{script}\n")
        except LabError as problem:
            raise LabError(f"could not {what}: {problem.message}", where=fault.host, hint=hint) from problem


def _parse(fault: str, state: LabState) -> _Fault:
    """Return the fault that a name means; without a host, that of the first host that can have it.

    Raises:
        InputError: The fault or the host is unknown, or this host cannot have this fault.
    """
    kind, separator, host = fault.partition(":")
    kind = complete_name(kind, [*_LAB, *HOST_FAULTS], kind="fault")
    if separator and kind == "cable":
        raise InputError("the fault 'cable' is one of the switch: it has no host", where=fault)
    host = complete_name(host, state.hosts, kind="host", where=fault) if separator else ""
    if kind == "cable":
        if not state.has_switch:
            raise InputError(
                "this lab has no switch",
                hint="the fault `cable` needs a host on the switch, such as a container",
            )
        return _Fault(kind, "")
    if kind == "unplug" and host and not host_class(state.hosts[host].kind).uses_switch:
        raise InputError(
            f"{host} is not plugged into the lab's switch", hint=f"cut its power instead: power:{host}"
        )
    able = [name for name in state.hosts if _possible(kind, name, state)]
    if kind in HOST_FAULTS and host not in {"", *able}:
        raise InputError(
            f"{host} cannot have the fault {kind}",
            hint=f"hosts that can: {', '.join(able) or 'none of this lab'}",
        )
    if not host and kind not in HOST_FAULTS:
        raise InputError(
            f"unknown fault {fault!r}: it names no host", hint=f"as in {kind}:{next(iter(state.hosts))}"
        )
    if not able:
        raise InputError(f"no host of this lab can have the fault {kind}")
    return _Fault(kind, host or able[0])


def _possible(kind: str, host: str, state: LabState) -> _Fault | None:
    """Return a fault of a host if the host can have it, else None."""
    if kind == "cable":
        return _Fault(kind, "") if state.has_switch else None
    if kind == "unplug":
        return _Fault(kind, host) if host_class(state.hosts[host].kind).uses_switch else None
    group = HOST_FAULTS[kind].group if kind in HOST_FAULTS else ""
    return _Fault(kind, host) if not group or host in state.groups.get(group, ()) else None


def drill_faults(state: LabState) -> list[str]:
    """Return the faults that `random` chooses from: those of the hosts at which the drill looks; without such, all."""
    hosts = state.groups.get(DRILL_GROUP) or list(state.hosts)
    return [
        found.name
        for name in FAULTS
        for host in (hosts if name.endswith(":HOST") else ("",))
        if (found := _possible(name.removesuffix(":HOST"), host, state)) and found.name not in state.faults
    ]


def _first_port(state: LabState, host: str) -> str:
    return state.hosts[host].port(state.hosts[host].first_interface)
