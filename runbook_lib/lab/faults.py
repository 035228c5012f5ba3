"""Inject faults into a running lab, and repair them.

cable                hosts cannot reach each other; control still reaches all of them
unplug:HOST          the cable of the host's first interface is pulled out of the switch
docker-down:HOST     the host's Docker engine and its socket are stopped
power:HOST           the host's power is cut; the repair switches the host on again
random               a fault that `91_drill` finds, which is not named
others               faults inside of a host, for the drills: `runbook_lib.books.docker.faults`
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import shlex
from typing import TYPE_CHECKING

from runbook_lib.books.docker.fault_scripts import PREAMBLE
from runbook_lib.books.docker.faults import HOST_FAULTS
from runbook_lib.errors import LabError
from runbook_lib.lab import switch
from runbook_lib.lab.command_lines import name_option
from runbook_lib.lab.fault_names import FAULTS, Fault, drill_faults, parse_fault
from runbook_lib.lab.hosts.registry import lab_host
from runbook_lib.lab.state import running_state
from runbook_lib.lab.system.paths import changing

if TYPE_CHECKING:
    from collections.abc import Collection

    from runbook_lib.lab.hosts.host import LabHost
    from runbook_lib.lab.state import LabState
    from runbook_lib.lab.system.paths import LabPaths

__all__ = ["RANDOM", "UNNAMED", "Faults"]

_log = logging.getLogger(__name__)

RANDOM = "random"
"""Word for a fault that is chosen, and not named."""
UNNAMED = "one that is not named"
"""What the lab's status says of it."""
_STOP_DOCKER = "keep_greeting docker-down; systemctl stop docker.socket docker.service"
_START_DOCKER = """! systemctl cat docker.service >/dev/null 2>&1 || systemctl start docker.socket docker.service
restore_greeting docker-down"""
_BEFORE_POWER = "keep_greeting power; sync"
# After a boot the engine may still be starting.
_AFTER_POWER = (
    '[ ! -s "$kept/greeting.power" ] || { systemctl start docker.service; restore_greeting power; }'
)
_DOCKER_HINT = "is Docker installed on the host? `runbook run 20_docker_install` installs it"
_ORDER = (
    "cable",
    "unplug",
    "power",
    "docker-down",
    "redis-stopped",
)  # others need the host on, the engine, redis
_NEED_HINT = "prepare the host, then inject the fault again; `runbook lab break` lists all faults"


class Faults:
    """The faults of one lab.

    `cable` and `unplug` persist over a reboot of the host; a reboot ends `docker-down`.

    Args:
        paths: The lab's files.
    """

    def __init__(self, paths: LabPaths) -> None:
        self._paths = paths
        self._option = name_option(paths.name)
        self._reset_hint = f"`runbook lab reset{self._option}` reinstalls the host"

    def inject(self, fault: str) -> str:
        """Inject a fault.

        Args:
            fault: One of `FAULTS`, with a host's name in place of HOST; or `random`.

        Returns:
            The fault, with its host.

        Raises:
            InputError: The fault or the host is unknown, or this host cannot have this fault.
            LabError: The lab is not up, or the fault could not be injected; what it has changed so far is repaired, or
                else the fault stays in the lab's state, for `repair`.
        """
        with changing(self._paths):
            state = running_state(self._paths)
            if fault == RANDOM:
                return self._inject_any(state).name
            parsed = parse_fault(fault, state)
            self._inject(parsed, state)
            return parsed.name

    def repair(self) -> list[str]:
        """Repair every fault.

        Returns:
            The faults that were repaired.

        Raises:
            LabError: The lab is not up, or a fault could not be repaired.
        """
        with changing(self._paths):
            return self.repair_locked(running_state(self._paths))

    def repair_locked(self, state: LabState, *, reinstalled: Collection[str] = ()) -> list[str]:
        """Repair every fault, for a caller that holds the lab's lock.

        Args:
            state: The lab's state; each fault is removed from it when it is repaired.
            reinstalled: Hosts that are about to be reset, so that only the switch needs to be repaired for them; their
                faults stay in the state until then, see `forget_hosts`.

        Returns:
            The faults that were repaired.

        Raises:
            LabError: A fault could not be repaired.
        """
        faults = sorted(
            (parse_fault(name, state) for name in state.faults),
            key=lambda fault: _ORDER.index(fault.kind) if fault.kind in _ORDER else len(_ORDER),
        )
        repaired, problems = [], []
        for fault in faults:
            if fault.kind not in {"cable", "unplug"} and fault.host in reinstalled:
                continue
            try:
                self._repair(fault, state)
            except LabError as problem:
                problems.append(problem)  # the other faults are repaired nevertheless
            else:
                self._forget(fault, state)
                repaired.append(fault.name)
        if problems:
            raise problems[0]
        return repaired

    @staticmethod
    def forget_hosts(state: LabState, hosts: Collection[str]) -> None:
        """Remove the faults of hosts that are new machines now from the lab's state, without saving it.

        Args:
            state: The lab's state.
            hosts: Names of the hosts.
        """
        state.forget({name for name in state.faults if parse_fault(name, state).host in hosts})

    @staticmethod
    def summaries() -> dict[str, str]:
        """Return every fault, as `inject` takes it, and what it breaks."""
        return {name: Fault(name.partition(":")[0], "").description for name in FAULTS}

    def describe(self, fault: str) -> str:
        """Return what a fault breaks, in a sentence.

        Args:
            fault: As in the lab's state.

        Raises:
            InputError: The fault or the host is unknown.
            LabError: The lab is not up.
        """
        return parse_fault(fault, running_state(self._paths)).description

    def _inject_any(self, state: LabState) -> Fault:
        """Inject a fault that this lab can have now, chosen by chance; its name is kept secret."""
        candidates = drill_faults(state)
        while candidates:
            chosen = parse_fault(candidates.pop(secrets.randbelow(len(candidates))), state)
            try:
                self._inject(chosen, state, hidden=True)
            except LabError:
                if chosen.name in state.faults:
                    raise  # part of it stays on the host: a second fault would be one too many
                continue  # the host is not as far in the chapter
            return chosen
        raise LabError(
            "no fault can be injected",
            where=f"lab {self._paths.name}",
            hint=f"`runbook lab repair{self._option}` repairs what is broken already",
        )

    def _inject(self, fault: Fault, state: LabState, *, hidden: bool = False) -> None:
        if fault.kind not in {"cable", "power"} and not self._host(fault, state).running():
            raise LabError(
                "the host is off", where=fault.host, hint=f"`runbook lab up{self._option}` switches it on"
            )
        already = fault.name in state.faults
        if not already:
            state.faults = sorted({*state.faults, fault.name})
            state.hidden = [*state.hidden, fault.name] if hidden else state.hidden
            state.save(self._paths)
        try:
            self._break(fault, state)
        except KeyboardInterrupt:
            _log.warning(
                "%s may be in effect, or a part of it: `runbook lab repair%s` repairs it",
                "the fault" if hidden else fault.name,
                self._option,
            )
            raise
        except LabError as problem:
            if not already:
                self._take_back(fault, state, problem)
            raise

    def _take_back(self, fault: Fault, state: LabState, problem: LabError) -> None:
        """Repair what a fault has changed before it failed.

        Raises:
            LabError: The repair failed: the fault stays in the lab's state.
        """
        try:
            self._repair(fault, state)
        except LabError as second:
            state.hidden = [other for other in state.hidden if other != fault.name]
            state.save(self._paths)
            raise LabError(
                f"{problem.message}; the repair of {fault.name} failed as well: {second.message}",
                where=problem.where,
                hint=f"`runbook lab repair{self._option}` tries again; {self._reset_hint}",
            ) from problem
        self._forget(fault, state)

    def _forget(self, fault: Fault, state: LabState) -> None:
        """Remove a fault that is repaired from the lab's state."""
        state.forget({fault.name})
        state.save(self._paths)

    def _host(self, fault: Fault, state: LabState) -> LabHost:
        return lab_host(self._paths, state.topology, fault.host)

    def _break(self, fault: Fault, state: LabState) -> None:
        if fault.kind == "cable":
            switch.isolate(self._paths.switch, isolated=True)
        elif fault.kind == "unplug":
            switch.set_port(self._paths.switch, _first_port(state, fault.host), up=False)
        elif fault.kind == "power":
            host = self._host(fault, state)
            if host.running():
                with contextlib.suppress(LabError):  # the power of a host that hangs can be cut too
                    self._execute(fault, state, _BEFORE_POWER, "keep what redis has", "")
            host.stop()
        elif fault.kind == "docker-down":
            self._execute(fault, state, _STOP_DOCKER, "stop the Docker engine", _DOCKER_HINT)
        else:
            script = HOST_FAULTS[fault.kind].inject
            self._execute(fault, state, script, "inject the fault", _NEED_HINT)

    def _repair(self, fault: Fault, state: LabState) -> None:
        if fault.kind == "cable":
            switch.isolate(self._paths.switch, isolated=False)
        elif fault.kind == "unplug":
            switch.set_port(self._paths.switch, _first_port(state, fault.host), up=True)
        elif fault.kind == "power":
            host = self._host(fault, state)
            if not host.running():
                host.start()
            host.wait()
            self._execute(fault, state, _AFTER_POWER, "restore what redis had", self._reset_hint)
        elif fault.kind == "docker-down":
            self._execute(fault, state, _START_DOCKER, "start the Docker engine", _DOCKER_HINT)
        else:
            script = HOST_FAULTS[fault.kind].repair
            self._execute(fault, state, script, "repair the fault", self._reset_hint)

    def _execute(self, fault: Fault, state: LabState, script: str, what: str, hint: str) -> None:
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
            self._host(fault, state).execute(f"{words}{PREAMBLE}{script}\n")
        except LabError as problem:
            raise LabError(
                f"could not {what}: {problem.message}", where=fault.host, hint=problem.hint or hint
            ) from problem


def _first_port(state: LabState, host: str) -> str:
    return state.hosts[host].port(state.hosts[host].first_interface)
