"""A lab's state file: written before each part is made, so that a later command finds every part after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from runbook_lib.atomic import replace_file
from runbook_lib.errors import LabError
from runbook_lib.lab.command_lines import name_option
from runbook_lib.lab.hosts.registry import host_class
from runbook_lib.lab.system.directories import make_private
from runbook_lib.lab.system.mounts import mounts_below
from runbook_lib.lab.topology import Control, HostPlan, Topology

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from runbook_lib.lab.system.paths import LabPaths

__all__ = ["LabState", "running_state"]


class LabState(BaseModel):
    """One lab: what it was made from, how far it got, which faults are injected."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Literal[1] = 1
    name: str
    phase: Literal["starting", "up", "ending"] = "starting"
    control: Control
    hosts: dict[str, HostPlan]
    groups: dict[str, list[str]]
    inventory: str
    packages: str
    """Name of the package cache service, which labs share."""
    images: bool = True
    """Whether the lab has an image registry."""
    store: bool = False
    """Whether the lab has an object store."""
    roots: dict[str, str] = {}
    """Host name -> path of what the host starts from (`LabHost.build`)."""
    unprepared: list[str] = []
    """Hosts whose own files are to be written before they start."""
    faults: list[str] = []
    """As they were named to `runbook lab break`."""
    hidden: list[str] = []
    """Those of them that `break random` has chosen: they are not named until they are repaired."""
    strangers: dict[str, int] = {}
    """Process id -> start time (`start_ticks`) of what was left in the lab's namespaces when the lab was ended."""

    @property
    def topology(self) -> Topology:
        """The topology this lab was made from."""
        return Topology(self.control, self.hosts, self.groups)

    @property
    def has_switch(self) -> bool:
        """Whether a host uses the switch, which is made of network namespaces and so needs root."""
        return any(host_class(host.kind).uses_switch for host in self.hosts.values())

    def forget(self, faults: Collection[str]) -> None:
        """Remove faults that are no longer in effect, without saving the state.

        Args:
            faults: As they were named to `runbook lab break`.
        """
        self.faults = [name for name in self.faults if name not in faults]
        self.hidden = [name for name in self.hidden if name not in faults]

    def save(self, paths: LabPaths) -> None:
        """Write the state file; a crash leaves either the old state or the new one."""
        make_private(paths.run)
        replace_file(paths.state, self.model_dump_json(indent=1).encode(), durable=True, mode=0o644)

    @classmethod
    def load(cls, file: Path) -> LabState | None:
        """Return the state from a file, or None if the file does not exist.

        Raises:
            LabError: The file is damaged.
        """
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except (ValidationError, OSError) as problem:
            raise LabError(
                f"the lab's state cannot be read: {problem}",
                where=str(file),
                hint=f"`runbook lab down{name_option(file.parent.name)}` ends the lab",
            ) from problem


def running_state(paths: LabPaths) -> LabState:
    """Return the state of a lab that is up.

    Args:
        paths: The lab's files.

    Raises:
        LabError: The lab is not up, its network is gone, or its state file is damaged.
    """
    state = LabState.load(paths.state)
    if state is None or state.phase != "up":
        raise LabError(
            "the lab is not up",
            where=f"lab {paths.name}",
            hint=f"run `runbook lab up{name_option(paths.name)}`",
        )
    if state.has_switch and not {paths.switch, paths.control} <= {*mounts_below(paths.run)}:
        raise LabError(
            "the lab's network is gone, as after a restart of this machine",
            where=f"lab {paths.name}",
            hint=f"run `runbook lab up{name_option(paths.name)}`: "
            "it makes the network again, and starts the hosts with their files",
        )
    return state
