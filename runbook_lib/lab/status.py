"""The current state of a lab, as `runbook lab status` shows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["HostStatus", "LabStatus"]


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
    """Name of a service (package cache, image registry) -> whether it accepts connections."""
    hosts: list[HostStatus]

    def as_dict(self) -> dict[str, Any]:
        """Return what `lab status --json` prints."""
        return asdict(self)
