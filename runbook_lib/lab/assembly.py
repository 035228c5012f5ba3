"""Bring a lab to what is wanted: build, add, start."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib import system_requirements
from runbook_lib.errors import LabError, RequirementError
from runbook_lib.lab import switch
from runbook_lib.lab.hosts.registry import KINDS, host_of
from runbook_lib.lab.inventory_file import write_inventory
from runbook_lib.lab.services.images import image_storage
from runbook_lib.lab.services.services import has_images, start_services
from runbook_lib.lab.ssh_keys import make_keys, write_client_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.lab.hosts.host import LabHost
    from runbook_lib.lab.state import LabState
    from runbook_lib.lab.system.paths import Places
    from runbook_lib.lab.topology import Topology

__all__ = ["Assembly", "possible"]

_log = logging.getLogger(__name__)


class Assembly:
    """A lab in the making, or one that gets more hosts.

    Args:
        places: The lab's.
        state: What it consists of so far; changed, and saved before each part is made.
    """

    def __init__(self, places: Places, state: LabState) -> None:
        self.places = places
        self.state = state

    def complete(self, wanted: Topology, wait_for: Sequence[str] | None) -> bool:
        """Add the hosts a lab lacks and start what does not run; return whether that was any host.

        Raises:
            LabError: It was made from another topology.
        """
        self._add(wanted)
        for name in self.state.unprepared:
            self._host(name).stop()
            self._host(name).prepare(self.state.roots[name])
        self.state.unprepared = []
        off = [name for name in self.state.hosts if not self._host(name).running()]
        for name in off:
            self._host(name).start()
        self.state.faults = [
            fault for fault in self.state.faults if fault not in {f"power:{name}" for name in off}
        ]
        self.state.save(self.places)
        start_services(self.places, self.state, self._distribution)
        for name in off:
            if wait_for is None or name in wait_for:
                self._host(name).wait()
        if off or not Path(self.state.inventory).exists():
            reaches = {name: self._host(name).reach for name in self.state.hosts}
            write_inventory(self.places, self.state.topology, reaches, Path(self.state.inventory))
        return bool(off)

    def _add(self, wanted: Topology) -> None:
        """Build what new hosts need, and note them before they are made."""
        for name, plan in wanted.hosts.items():
            if self.state.hosts.get(name, plan) != plan:
                raise LabError(
                    f"is up, but made from another topology: {name} differs; it has {', '.join(self.state.hosts)}",
                    where=f"lab {self.places.name}",
                    hint="`runbook lab down` first, or give the new one another --name",
                )
        new = {name: plan for name, plan in wanted.hosts.items() if name not in self.state.hosts}
        if not new:
            return
        for name, plan in new.items():
            self.state.roots[name] = KINDS[plan.kind](self.places, wanted, plan).build()
        had_network = self.state.has_network
        self.state.hosts |= new
        for group, members in wanted.groups.items():
            self.state.groups[group] = [*self.state.groups.get(group, []), *(m for m in members if m in new)]
        self.state.unprepared = [*self.state.unprepared, *new]
        self.state.images = has_images()
        if self.state.images:
            image_storage(self._distribution)
        self.state.save(self.places)
        if self.state.has_network and not had_network:
            switch.create_namespace(self.places.switch)
            switch.create_namespace(self.places.control)
            switch.create_switch(self.places.name, wanted, self.places.switch, self.places.control)
        make_keys(self.places, list(new))
        hosts = [(plan, self._host(name).reach) for name, plan in self.state.hosts.items()]
        write_client_files(self.places, hosts)

    def _host(self, name: str) -> LabHost:
        return host_of(self.places, self.state, name)

    @property
    def _distribution(self) -> str:
        return next(iter(self.state.hosts.values())).distribution


def possible(topology: Topology, asked: Sequence[str] | None) -> Topology:
    """Return the hosts asked for, or of all those that this machine can have.

    Raises:
        RequirementError: A host that was asked for cannot be had, or none can.
    """
    wanted = topology.only(asked) if asked else topology
    containers = [name for name, plan in wanted.hosts.items() if plan.kind == "container"]
    if containers:
        system_requirements.need("lab")
    if len(containers) == len(wanted.hosts):
        return wanted
    try:
        system_requirements.need("vm")
    except RequirementError as lacking:
        if asked or not containers:
            raise
        names = ", ".join(name for name in wanted.hosts if name not in containers)
        _log.warning("going on without %s: %s", names, lacking)
        return wanted.only(containers)
    return wanted
