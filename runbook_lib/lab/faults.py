"""Break a running lab on purpose, and mend it.

cable                hosts do not reach each other; control reaches all of them
unplug:HOST          the cable of the host's first interface is pulled out of the switch
docker-down:HOST     the host's Docker engine and its socket are stopped
power:HOST           the host's plug is pulled; mending switches it on again
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError, LabError
from runbook_lib.lab import switch
from runbook_lib.lab.hosts.registry import host_of, state_of
from runbook_lib.lab.system.paths import locked

if TYPE_CHECKING:
    from collections.abc import Collection

    from runbook_lib.lab.state import LabState
    from runbook_lib.lab.system.paths import Places

__all__ = ["FAULTS", "Faults"]

FAULTS = ("cable", "unplug:HOST", "docker-down:HOST", "power:HOST")
_WANTED = re.compile(r"(?P<kind>cable|unplug|docker-down|power)(?::(?P<host>.+))?")
_TIMEOUT = 60  # seconds


class Faults:
    """The faults of one lab. They outlast a host's reboot, as a pulled cable does; the engine's does not."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def inject(self, fault: str) -> None:
        """Break something.

        Args:
            fault: One of `FAULTS`, with a host's name in place of HOST.

        Raises:
            InputError: There is no such fault or host.
            LabError: The lab is not up, or the fault cannot be made.
        """
        with locked(self._places.lock):
            state = state_of(self._places)
            kind, host = _parse(fault, state)
            before = state.faults
            state.faults = sorted({*before, fault})
            state.save(self._places)
            try:
                if kind == "cable":
                    switch.isolate(self._places.switch, isolated=True)
                elif kind == "unplug":
                    switch.set_port(self._places.switch, _first_port(state, host), up=False)
                elif kind == "power":
                    host_of(self._places, state, host).stop()
                else:
                    self._engine(host, "stop")
            except LabError:
                state.faults = before
                state.save(self._places)
                raise

    def repair(self) -> list[str]:
        """Mend everything that was broken.

        Returns:
            The faults there were.

        Raises:
            LabError: The lab is not up, or something cannot be mended.
        """
        with locked(self._places.lock):
            return self.repair_locked(state_of(self._places))

    def repair_locked(self, state: LabState, *, reinstalled: Collection[str] = ()) -> list[str]:
        """As `repair`, for who holds the lab's lock already.

        Args:
            state: The lab's state; its faults are taken away one by one, as they are mended.
            reinstalled: Hosts about to be put back to new ones; their engines need no mending.
        """
        order = ("cable", "unplug", "power", "docker-down")  # an engine is mended over the network
        before = sorted(state.faults, key=lambda fault: order.index(fault.partition(":")[0]))
        for fault in before:
            kind, host = _parse(fault, state)
            if kind == "cable":
                switch.isolate(self._places.switch, isolated=False)
            elif kind == "unplug":
                switch.set_port(self._places.switch, _first_port(state, host), up=True)
            elif kind == "power" and host not in reinstalled:
                host_of(self._places, state, host).start()
                host_of(self._places, state, host).wait()
            elif host not in reinstalled:
                self._engine(host, "start")
            state.faults = [other for other in state.faults if other != fault]
            state.save(self._places)
        return before

    def _engine(self, host: str, verb: str) -> None:
        command = ["ssh", "-F", str(self._places.ssh / "ssh_config"), host]
        command += ["sudo", "systemctl", verb, "docker.socket", "docker.service"]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_TIMEOUT)
        if ended.returncode != 0:
            raise LabError(
                f"could not {verb} the Docker engine: {ended.stderr.strip()}",
                where=host,
                hint="is Docker installed there? `runbook run 20_docker_install`",
            )


def _parse(fault: str, state: LabState) -> tuple[str, str]:
    found = _WANTED.fullmatch(fault)
    if not found or (found["kind"] == "cable") != (found["host"] is None):
        raise InputError(f"unknown fault {fault!r}", hint=f"faults are: {', '.join(FAULTS)}")
    if found["host"] is not None and found["host"] not in state.hosts:
        raise InputError(f"unknown host in {fault!r}", hint=f"hosts are: {', '.join(state.hosts)}")
    host = found["host"] or ""
    if found["kind"] == "unplug" and state.hosts[host].kind != "container":
        raise InputError(
            f"{host} is not plugged into the lab's switch",
            hint=f"pull its plug instead: power:{host}",
        )
    if found["kind"] == "cable" and not state.has_network:
        raise InputError("this lab has no switch", hint="only containers are plugged into one")
    return found["kind"], host


def _first_port(state: LabState, host: str) -> str:
    return state.hosts[host].port(state.hosts[host].first_interface)
