"""Inject faults into a running lab, and repair them.

cable                hosts cannot reach each other; control still reaches all of them
unplug:HOST          the cable of the host's first interface is pulled out of the switch
docker-down:HOST     the host's Docker engine and its socket are stopped
power:HOST           the host's power is cut; the repair switches the host on again
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError, LabError
from runbook_lib.lab import switch
from runbook_lib.lab.hosts.registry import host_class, lab_host
from runbook_lib.lab.state import running_state
from runbook_lib.lab.system.paths import locked

if TYPE_CHECKING:
    from collections.abc import Collection

    from runbook_lib.lab.state import LabState
    from runbook_lib.lab.system.paths import LabPaths

__all__ = ["FAULTS", "Faults"]

FAULTS = ("cable", "unplug:HOST", "docker-down:HOST", "power:HOST")
_FAULT = re.compile(r"(?P<kind>cable|unplug|docker-down|power)(?::(?P<host>.+))?")
_TIMEOUT = 60  # seconds


class Faults:
    """The faults of one lab.

    `cable` and `unplug` persist over a reboot of the host; a reboot ends `docker-down`.

    Args:
        paths: The lab's files.
    """

    def __init__(self, paths: LabPaths) -> None:
        self._paths = paths

    def inject(self, fault: str) -> None:
        """Inject a fault.

        Args:
            fault: One of `FAULTS`, with a host's name in place of HOST.

        Raises:
            InputError: The fault or the host is unknown, or this host cannot have this fault.
            LabError: The lab is not up, or the fault could not be injected.
        """
        with locked(self._paths.lock):
            state = running_state(self._paths)
            kind, host = _parse(fault, state)
            before = state.faults
            state.faults = sorted({*before, fault})
            state.save(self._paths)
            try:
                if kind == "cable":
                    switch.isolate(self._paths.switch, isolated=True)
                elif kind == "unplug":
                    switch.set_port(self._paths.switch, _first_port(state, host), up=False)
                elif kind == "power":
                    lab_host(self._paths, state.topology, host).stop()
                else:
                    self._control_docker(host, "stop")
            except LabError:
                state.faults = before
                state.save(self._paths)
                raise

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
            reinstalled: Hosts that are about to be reset, so that their power and Docker engine need no repair.

        Returns:
            The faults that were repaired.

        Raises:
            LabError: A fault could not be repaired.
        """
        order = ("cable", "unplug", "power", "docker-down")  # the engine is started over the network
        before = sorted(state.faults, key=lambda fault: order.index(fault.partition(":")[0]))
        for fault in before:
            kind, host = _parse(fault, state)
            if kind == "cable":
                switch.isolate(self._paths.switch, isolated=False)
            elif kind == "unplug":
                switch.set_port(self._paths.switch, _first_port(state, host), up=True)
            elif kind == "power" and host not in reinstalled:
                lab_host(self._paths, state.topology, host).start()
                lab_host(self._paths, state.topology, host).wait()
            elif host not in reinstalled:
                self._control_docker(host, "start")
            state.faults = [other for other in state.faults if other != fault]
            state.save(self._paths)
        return before

    def _control_docker(self, host: str, verb: str) -> None:
        command = ["ssh", "-F", str(self._paths.ssh / "ssh_config"), host]
        command += ["sudo", "systemctl", verb, "docker.socket", "docker.service"]
        completed = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_TIMEOUT)
        if completed.returncode != 0:
            raise LabError(
                f"could not {verb} the Docker engine: {completed.stderr.strip()}",
                where=host,
                hint="is Docker installed on the host? `runbook run 20_docker_install` installs it",
            )


def _parse(fault: str, state: LabState) -> tuple[str, str]:
    found = _FAULT.fullmatch(fault)
    if not found or (found["kind"] == "cable") != (found["host"] is None):
        raise InputError(f"unknown fault {fault!r}", hint=f"known faults: {', '.join(FAULTS)}")
    if found["host"] is not None and found["host"] not in state.hosts:
        raise InputError(f"unknown host in {fault!r}", hint=f"known hosts: {', '.join(state.hosts)}")
    host = found["host"] or ""
    if found["kind"] == "unplug" and not host_class(state.hosts[host].kind).uses_switch:
        raise InputError(
            f"{host} is not plugged into the lab's switch", hint=f"cut its power instead: power:{host}"
        )
    if found["kind"] == "cable" and not state.has_switch:
        raise InputError(
            "this lab has no switch", hint="the fault `cable` needs a host on the switch, such as a container"
        )
    return found["kind"], host


def _first_port(state: LabState, host: str) -> str:
    return state.hosts[host].port(state.hosts[host].first_interface)
