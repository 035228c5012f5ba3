"""What a lab consists of, on disk before it is made: found again whatever becomes of this command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from runbook_lib.errors import LabError
from runbook_lib.lab.system.paths import replace_text
from runbook_lib.lab.topology import Control, HostPlan, Topology

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lab.system.paths import Places

__all__ = ["LabState"]


class LabState(BaseModel):
    """One lab: what it was made from, how far it got, which faults are in force."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Literal[1] = 1
    name: str
    phase: Literal["starting", "up", "ending"] = "starting"
    control: Control
    hosts: dict[str, HostPlan]
    groups: dict[str, list[str]]
    inventory: str
    packages: str
    """Name of the shared package cache service."""
    images: bool = True
    """Whether the lab has an image registry."""
    roots: dict[str, str] = {}
    """Root file system of each host."""
    unprepared: list[str] = []
    """Hosts in the middle of a reset."""
    faults: list[str] = []
    """As they were named to `lab break`."""

    @property
    def topology(self) -> Topology:
        """The topology this lab was made from."""
        return Topology(self.control, self.hosts, self.groups)

    @property
    def has_network(self) -> bool:
        """Whether there are containers: they need namespaces and a switch, which only root can make."""
        return any(host.kind == "container" for host in self.hosts.values())

    def save(self, places: Places) -> None:
        """Write the state so that a crash leaves either the old or the new one."""
        places.run.mkdir(parents=True, exist_ok=True)
        replace_text(places.state, self.model_dump_json(indent=1))

    @classmethod
    def load(cls, file: Path) -> LabState | None:
        """Read a state file; None when there is none.

        Raises:
            LabError: It is damaged.
        """
        try:
            return cls.model_validate_json(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValidationError, OSError) as problem:
            raise LabError(
                f"the lab's state cannot be read: {problem}",
                where=str(file),
                hint="`runbook lab down` ends the lab",
            ) from problem
