"""The current state of a lab, as `runbook lab status` shows it, and what a command has started of it."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.lab.faults import UNNAMED
from runbook_lib.lab.hosts.registry import lab_host
from runbook_lib.lab.services.services import service_status

if TYPE_CHECKING:
    from runbook_lib.lab.state import LabState
    from runbook_lib.lab.system.paths import LabPaths

__all__ = ["HostStatus", "LabStatus", "Started", "current_status"]


class Started(enum.IntEnum):
    """What `Lab.up` has started; false if nothing.

    Only the command that has started the lab itself may end it as its own: hosts may be missing, or off, in a lab that
    somebody else has started.
    """

    NOTHING = 0
    HOSTS = 1
    LAB = 2


@dataclass(frozen=True)
class HostStatus:
    """The current state of one host."""

    name: str
    address: str
    running: bool
    answers: bool
    """Whether the host's SSH server answers."""
    console: str


@dataclass(frozen=True)
class LabStatus:
    """The current state of a lab."""

    name: str
    phase: str
    """`absent`, `starting`, `up` or `ending`. `runbook lab down` ends a lab that a killed command left in `starting`
    or `ending`."""
    inventory: str
    faults: list[str]
    services: dict[str, bool]
    """Name of a service, such as the package cache -> whether it accepts connections."""
    hosts: list[HostStatus]

    def as_dict(self) -> dict[str, Any]:
        """Return what `lab status --json` prints."""
        return asdict(self)


def current_status(paths: LabPaths, state: LabState) -> LabStatus:
    """Return the current state of a lab, also if a killed command left the lab half built.

    Args:
        paths: The lab's files.
        state: What the lab consists of.
    """
    hosts = []
    for name in state.hosts:
        host = lab_host(paths, state.topology, name)
        address = host.ssh_endpoint.known_as
        hosts.append(HostStatus(name, address, host.running(), host.answers(), str(host.console)))
    services = service_status(paths, state)
    faults = [UNNAMED if fault in state.hidden else fault for fault in state.faults]
    return LabStatus(paths.name, state.phase, state.inventory, faults, services, hosts)
