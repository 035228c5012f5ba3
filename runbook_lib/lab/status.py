"""A lab as it is now: what `runbook lab status` shows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["HostStatus", "LabStatus"]


@dataclass(frozen=True)
class HostStatus:
    """One host of the lab as it is now."""

    name: str
    address: str
    running: bool
    answers: bool
    """Whether its SSH server greets control."""
    console: str


@dataclass(frozen=True)
class LabStatus:
    """The lab as it is now."""

    name: str
    phase: str
    """`absent`, `starting`, `up` or `ending`; the second and fourth of a dead command need `lab down`."""
    inventory: str
    faults: list[str]
    services: dict[str, bool]
    """Whether the package cache and the image registry take connections."""
    hosts: list[HostStatus]

    def as_dict(self) -> dict[str, Any]:
        """Return what `lab status --json` prints."""
        return asdict(self)
