"""Bring a lab up: build what hosts start from, add hosts, start them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.lab.faults import Faults
from runbook_lib.lab.host_selection import check_same_lab
from runbook_lib.lab.hosts.registry import host_class, lab_host
from runbook_lib.lab.inventory_file import write_inventory
from runbook_lib.lab.network import make_network
from runbook_lib.lab.services import package_cache
from runbook_lib.lab.services.images import image_storage
from runbook_lib.lab.services.services import has_images, start_services
from runbook_lib.lab.ssh_keys import make_keys, write_client_files
from runbook_lib.lab.state import LabState
from runbook_lib.lab.status import Started
from runbook_lib.lab.system.directories import make_private
from runbook_lib.lab.system.inotify import make_room

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.lab.hosts.host import LabHost
    from runbook_lib.lab.system.paths import LabPaths
    from runbook_lib.lab.topology import Topology

__all__ = ["Assembly", "create_lab"]


class Assembly:
    """A lab that is being brought up, or that gets more hosts.

    Args:
        paths: The lab's files.
        state: What the lab consists of so far; changed, and saved before each part is made.
    """

    def __init__(self, paths: LabPaths, state: LabState) -> None:
        self.paths = paths
        self.state = state

    def complete(self, wanted: Topology, wait_for: Sequence[str] | None) -> Started:
        """Add missing hosts, and start hosts and services that are not running.

        A command may have been killed after any part of this: each part is made again where it is missing.

        Args:
            wanted: The hosts to have.
            wait_for: Names of the hosts to wait for until they allow a login; all without it.

        Returns:
            Whether hosts were started.

        Raises:
            InputError: The lab was made from another topology, or somebody else's file is where the inventory is to be.
            LabError: A part could not be built or started, or a host does not allow a login in time.
        """
        check_same_lab(self.state, wanted)
        self._add(wanted)
        self._connect()
        for name in self.state.unprepared:
            self._host(name).stop()
            self._host(name).prepare(self.state.roots[name])
        Faults.forget_hosts(self.state, self.state.unprepared)  # they are new machines: a reset was killed
        self.state.unprepared = []
        off = [name for name in self.state.hosts if not self._host(name).running()]
        make_room(len(off))
        for name in off:
            self._host(name).start()
        self.state.forget({f"power:{name}" for name in off})
        self.state.save(self.paths)
        # Before anything is waited for: an interrupted command leaves hosts that are up without being in it.
        endpoints = {name: self._host(name).ssh_endpoint for name in self.state.hosts}
        write_inventory(self.paths, self.state.topology, endpoints, Path(self.state.inventory))
        start_services(self.paths, self.state)
        for name in self.state.hosts:
            if wait_for is not None and name not in wait_for:
                continue
            if name in off or (name in wanted.hosts and self._should_answer(name)):
                self._host(name).wait()
        return Started.HOSTS if off else Started.NOTHING

    def _should_answer(self, name: str) -> bool:
        """Return whether a host is to be waited for, which was on already: not if its cable is unplugged."""
        return f"unplug:{name}" not in self.state.faults and not self._host(name).answers()

    def _add(self, wanted: Topology) -> None:
        """Build what new hosts start from, and record the hosts before they are made."""
        new = {name: plan for name, plan in wanted.hosts.items() if name not in self.state.hosts}
        if not new:
            return
        for name, plan in new.items():
            self.state.roots[name] = host_class(plan.kind)(self.paths, wanted, plan).build()
        self.state.hosts |= new
        for group, members in wanted.groups.items():
            self.state.groups[group] = [*self.state.groups.get(group, []), *(m for m in members if m in new)]
        self.state.unprepared = [*self.state.unprepared, *new]
        self.state.images = has_images()
        if self.state.images:
            image_storage()
        self.state.save(self.paths)

    def _connect(self) -> None:
        """Make what all hosts need before they start: the switch with their VLANs, keys, and the client's files."""
        topology = self.state.topology
        if self.state.has_switch:
            make_network(self.paths, topology)
        make_keys(self.paths, list(topology.hosts))
        hosts = [(plan, self._host(name).ssh_endpoint) for name, plan in topology.hosts.items()]
        write_client_files(self.paths, hosts)

    def _host(self, name: str) -> LabHost:
        return lab_host(self.paths, self.state.topology, name)


def create_lab(
    paths: LabPaths, topology: Topology, inventory: Path, wait_for: Sequence[str] | None, *, store: bool
) -> None:
    """Make a new lab and bring it up.

    Args:
        paths: The lab's files.
        topology: Its hosts.
        inventory: Where to write the inventory.
        wait_for: Names of the hosts to wait for until they allow a login; all without it.
        store: Whether the lab gets an object store as well.

    Raises:
        LabError: A part could not be built or started.
    """
    state = LabState(
        name=paths.name,
        control=topology.control,
        hosts={},
        groups={},
        inventory=str(inventory),
        packages=package_cache.service_name(),
        store=store,
    )
    make_private(paths.run)
    (paths.run / "data").symlink_to(paths.data)
    paths.make_data()
    paths.log("").parent.mkdir()
    state.save(paths)
    Assembly(paths, state).complete(topology, wait_for)
    state.phase = "up"
    state.save(paths)
