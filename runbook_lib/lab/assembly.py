"""Bring a lab up: build what hosts start from, add hosts, start them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import LabError, RequirementError
from runbook_lib.lab import switch
from runbook_lib.lab.hosts.registry import host_class, lab_host, switch_vlans
from runbook_lib.lab.inventory_file import write_inventory
from runbook_lib.lab.services import package_cache
from runbook_lib.lab.services.images import image_storage
from runbook_lib.lab.services.services import has_images, start_services
from runbook_lib.lab.ssh_keys import make_keys, write_client_files
from runbook_lib.lab.state import LabState
from runbook_lib.lab.status import Started
from runbook_lib.lab.system.debian_releases import find_release
from runbook_lib.lab.system.directories import make_private
from runbook_lib.lab.system.inotify import make_room
from runbook_lib.lab.topology import HostPlan, Topology

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runbook_lib.lab.hosts.host import LabHost
    from runbook_lib.lab.system.paths import LabPaths

__all__ = ["Assembly", "available_hosts", "create_lab", "with_release", "with_releases_of"]

_log = logging.getLogger(__name__)


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

        Args:
            wanted: The hosts to have.
            wait_for: Names of the hosts to wait for until they allow a login; all without it.

        Returns:
            Whether hosts were started.

        Raises:
            LabError: The lab was made from another topology, or a part could not be built or started.
        """
        self._add(wanted)
        for name in self.state.unprepared:
            self._host(name).stop()
            self._host(name).prepare(self.state.roots[name])
        self.state.unprepared = []
        off = [name for name in self.state.hosts if not self._host(name).running()]
        make_room(len(off))
        for name in off:
            self._host(name).start()
        self.state.forget({f"power:{name}" for name in off})
        self.state.save(self.paths)
        start_services(self.paths, self.state)
        for name in off:
            if wait_for is None or name in wait_for:
                self._host(name).wait()
        if off or not Path(self.state.inventory).exists():
            endpoints = {name: self._host(name).ssh_endpoint for name in self.state.hosts}
            write_inventory(self.paths, self.state.topology, endpoints, Path(self.state.inventory))
        return Started.HOSTS if off else Started.NOTHING

    def _add(self, wanted: Topology) -> None:
        """Build what new hosts start from, and record the hosts before they are made."""
        for name, plan in wanted.hosts.items():
            running = self.state.hosts.get(name, plan)
            if running != plan:
                fields = [
                    field
                    for field in HostPlan.model_fields
                    if getattr(running, field) != getattr(plan, field)
                ]
                raise LabError(
                    f"the lab is up with another topology: {name} differs in {', '.join(fields)}; "
                    f"its hosts are {', '.join(self.state.hosts)}",
                    where=f"lab {self.paths.name}",
                    hint="run `runbook lab down` first, or start a second lab with --name",
                )
        new = {name: plan for name, plan in wanted.hosts.items() if name not in self.state.hosts}
        if not new:
            return
        for name, plan in new.items():
            self.state.roots[name] = host_class(plan.kind)(self.paths, wanted, plan).build()
        had_switch = self.state.has_switch
        self.state.hosts |= new
        for group, members in wanted.groups.items():
            self.state.groups[group] = [*self.state.groups.get(group, []), *(m for m in members if m in new)]
        self.state.unprepared = [*self.state.unprepared, *new]
        self.state.images = has_images()
        if self.state.images:
            image_storage()
        self.state.save(self.paths)
        if self.state.has_switch and not had_switch:
            switch.create_namespace(self.paths.switch)
            switch.create_namespace(self.paths.control)
            switch.create_switch(self.paths.name, wanted, self.paths.switch, self.paths.control)
        elif self.state.has_switch:
            switch.add_vlans(switch_vlans(wanted), self.paths.switch)
        make_keys(self.paths, list(new))
        hosts = [(plan, self._host(name).ssh_endpoint) for name, plan in self.state.hosts.items()]
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


def with_release(topology: Topology, release: str | None, engine: int | None) -> Topology:
    """Return the topology with another Debian release, or another Docker engine, for all its hosts.

    Args:
        topology: The hosts.
        release: Name or code name of the release; without it each host keeps its own.
        engine: Major version of the Docker engine that the hosts' package sources offer; without it the release's own.

    Raises:
        InputError: There is no such release, it cannot have that engine, or a host's kind cannot run it.
    """
    if release is None and engine is None:
        return topology
    codename = find_release(release).codename if release is not None else None
    hosts = {}
    for name, plan in topology.hosts.items():
        changed = plan.model_copy(update={"distribution": codename or plan.distribution, "engine": engine})
        if engine is not None:
            find_release(changed.distribution).engine_suite(engine)
        host_class(changed.kind).check_plan(changed, f"host {name!r} of the topology")
        hosts[name] = changed
    return Topology(topology.control, hosts, topology.groups)


def with_releases_of(running: Mapping[str, HostPlan], topology: Topology) -> Topology:
    """Return the topology with release and engine of the hosts that are running.

    Args:
        running: The hosts of the lab, by name.
        topology: The hosts to have; those that the lab lacks keep their release.
    """
    hosts = dict(topology.hosts)
    for name in hosts.keys() & running.keys():
        kept = {"distribution": running[name].distribution, "engine": running[name].engine}
        hosts[name] = hosts[name].model_copy(update=kept)
    return Topology(topology.control, hosts, topology.groups)


def available_hosts(topology: Topology, names: Sequence[str] | None) -> Topology:
    """Return the topology reduced to the hosts to start.

    Args:
        topology: All hosts.
        names: The hosts to start. Without it all hosts, except those that do not start by default and whose
            requirements this machine does not meet; a warning names these.

    Raises:
        InventoryError: A name is unknown.
        RequirementError: This machine does not meet the requirements of a host, or of any host.
    """
    wanted = topology.only(names) if names else topology
    missing: dict[str, RequirementError] = {}
    for kind in dict.fromkeys(plan.kind for plan in wanted.hosts.values()):
        try:
            host_class(kind).check_requirements()
        except RequirementError as unmet:
            if names or host_class(kind).starts_by_default:
                raise
            missing[kind] = unmet
    available = [name for name, plan in wanted.hosts.items() if plan.kind not in missing]
    for kind, problem in missing.items():
        if not available:
            raise problem
        left_out = ", ".join(name for name, plan in wanted.hosts.items() if plan.kind == kind)
        _log.warning("starting without %s: %s", left_out, problem)
    return wanted.only(available)
