"""The lab as a whole: up, status, reset, down."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.lab.assembly import Assembly, create_lab
from runbook_lib.lab.command_lines import DEFAULT_NAME
from runbook_lib.lab.faults import Faults
from runbook_lib.lab.host_selection import available_hosts, with_release, with_releases_of
from runbook_lib.lab.hosts.registry import lab_host
from runbook_lib.lab.inventory_file import check_inventory_path, check_same_inventory
from runbook_lib.lab.services import object_store
from runbook_lib.lab.state import LabState, running_state
from runbook_lib.lab.status import LabStatus, Started, current_status
from runbook_lib.lab.system.paths import LabPaths, changing, check_data
from runbook_lib.lab.system.subprocesses import attempt, wait_for
from runbook_lib.lab.teardown import tear_down
from runbook_lib.lab.topology_file import DEFAULT_TOPOLOGY, load_topology
from runbook_lib.project import find_shipped, find_upwards, project_top

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEFAULT_NAME", "Lab"]

_log = logging.getLogger(__name__)


class Lab:
    """One lab of this machine.

    Args:
        name: Labs with different names can run at the same time.
        topology: Topology file, for `up`; a running lab has its topology in its state.
        inventory: Where to write the inventory. Default: for the default lab `inventory.yml` next to the topology
            file, or in the same place below the current directory if this package's own topology is used; for other
            labs a file in the lab's state directory.

    >>> lab = Lab.open("default")          # doctest: +SKIP
    >>> lab.up(); Inventory.load(lab.inventory).select("all")          # doctest: +SKIP
    """

    def __init__(
        self, name: str, topology: str | Path = DEFAULT_TOPOLOGY, inventory: Path | None = None
    ) -> None:
        self.paths = LabPaths(name)
        self._topology_file = find_shipped(topology).absolute()
        folder = self._topology_file.parent
        if (
            find_upwards(topology).absolute() != self._topology_file
        ):  # of this package, whose files are only read
            folder = project_top() / Path(topology).parent
        self._default_inventory = folder / "inventory.yml"
        self._inventory = inventory

    @classmethod
    def open(
        cls,
        name: str = DEFAULT_NAME,
        topology: str | Path = DEFAULT_TOPOLOGY,
        inventory: str | Path | None = None,
    ) -> Lab:
        """Return the lab of that name, whether or not it is up; nothing is started.

        Args:
            name: As for the class.
            topology: As for the class.
            inventory: As for the class.

        Raises:
            InputError: The name is not allowed.
        """
        return cls(name, topology, Path(inventory).absolute() if inventory else None)

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.paths.name

    @property
    def inventory(self) -> Path:
        """The inventory file, which exists while the lab is up."""
        state = LabState.load(self.paths.state)
        if state:
            return Path(state.inventory)
        if self._inventory:
            return self._inventory
        if self.name == DEFAULT_NAME:
            return self._default_inventory
        return self.paths.run / "inventory.yml"

    @property
    def ssh_config(self) -> Path:
        """The configuration file for OpenSSH: `ssh -F FILE host-a`."""
        return self.paths.ssh / "ssh_config"

    @property
    def faults(self) -> Faults:
        """The faults of the running lab: inject and repair."""
        return Faults(self.paths)

    def up(
        self,
        hosts: Sequence[str] | None = None,
        *,
        wait_for: Sequence[str] | None = None,
        release: str | None = None,
        engine: int | None = None,
        store: bool = False,
    ) -> Started:
        """Build and start the lab; return when every host allows a login.

        If the lab is up already, missing hosts are added and hosts that are off are started. What a killed command
        left behind is removed first. If a new lab is interrupted on its way up, it is taken down.

        Args:
            hosts: Names of hosts. Without it all; VMs are left out, with a warning, if this machine lacks programs.
            wait_for: Names of the hosts to wait for; all without it. `wait` waits for the others later.
            release: Debian release of the hosts, as `debian-13`. Default: hosts of a running lab keep theirs; for
                others the topology's.
            engine: Major version of the Docker engine that the hosts can install. Default: likewise; without any the
                release's own.
            store: Whether the lab gets an object store as well; one that it has stays without this.

        Returns:
            The lab, hosts of a lab that was up, or nothing, which is false: every host was running already.

        Raises:
            RequirementError: This machine lacks a program, or the hosts need root and this user is not root.
            InputError: The topology is wrong, a host name is unknown, the release does not have the engine, the lab is
                up with something else, or its inventory or the hosts' files would be where they cannot be.
            LabError: A part could not be built or started, or a host does not allow a login in time.
        """
        topology = available_hosts(load_topology(self._topology_file), hosts)
        if store:
            object_store.check_requirements(topology)
        with changing(self.paths):
            state = LabState.load(self.paths.state) if self.paths.state.exists() else None
            running = state if state and state.phase == "up" else None
            kept = with_releases_of(running.hosts if running else {}, topology)
            topology = with_release(kept, release, engine)
            if running:
                check_same_inventory(self.name, running.inventory, self._inventory)
                running.store |= store
                return Assembly(self.paths, running).complete(topology, wait_for)
            if tear_down(self.paths):
                _log.warning(
                    "lab %s: cleaned up after a killed command or a restart of this machine", self.name
                )
            check_inventory_path(self.name, self.inventory)
            check_data(self.paths)
            started = time.monotonic()
            try:
                create_lab(self.paths, topology, self.inventory, wait_for, store=store)
            except BaseException:
                _log.warning("lab %s did not come up; taking it down", self.name)
                tear_down(self.paths)
                raise
            _log.info("lab %s is up after %.1f s", self.name, time.monotonic() - started)
        return Started.LAB

    def wait(self, hosts: Sequence[str] | None = None) -> None:
        """Return when hosts allow a login.

        Args:
            hosts: Names of hosts; all without it.

        Raises:
            InventoryError: A name is unknown.
            LabError: The lab is not up, or a host does not allow a login in time.
        """
        state = running_state(self.paths)
        for name in hosts or state.hosts:
            lab_host(self.paths, state.topology, name).wait()

    def down(self) -> bool:
        """End the lab and check that nothing of it remains.

        Returns:
            False if there was no such lab.

        Raises:
            LabError: Something remains; the message lists it.
        """
        with changing(self.paths):
            return tear_down(self.paths)

    def reset(self, hosts: Sequence[str] | None = None) -> None:
        """Reset hosts to freshly installed machines, and repair every fault.

        SSH keys stay, so inventory and known_hosts stay valid.

        Args:
            hosts: Names of hosts; all without it.

        Raises:
            InventoryError: A name is unknown.
            LabError: The lab is not up, or a host does not allow a login in time.
        """
        with changing(self.paths):
            state = running_state(self.paths)
            chosen = {name: lab_host(self.paths, state.topology, name) for name in (hosts or state.hosts)}
            self.faults.repair_locked(state, reinstalled=chosen)
            state.unprepared = sorted({*state.unprepared, *chosen})
            state.save(self.paths)
            for host in chosen.values():
                host.stop()
            for name, host in chosen.items():
                host.prepare(state.roots[name])
                host.start()
            state.unprepared = [name for name in state.unprepared if name not in chosen]
            self.faults.forget_hosts(state, chosen)
            state.save(self.paths)
            for host in chosen.values():
                host.wait()

    def restart(self, host: str) -> None:
        """Cut a host's power and switch it on again; its files stay.

        Args:
            host: The host's name.

        Raises:
            InventoryError: The name is unknown.
            LabError: The lab is not up, or the host does not allow a login in time.
        """
        with changing(self.paths):
            restarted = lab_host(self.paths, running_state(self.paths).topology, host)
            restarted.stop()
            restarted.start()
            restarted.wait()

    def wait_for_reboot(self, host: str, boot_id: str, timeout: float = 180) -> None:
        """Return when a host that is rebooting allows a login again.

        Args:
            host: The host's name.
            boot_id: The content of the host's /proc/sys/kernel/random/boot_id before the reboot.
            timeout: Seconds.

        Raises:
            InventoryError: The name is unknown.
            LabError: The lab is not up, or the host has not rebooted within the timeout.
        """
        console = lab_host(self.paths, running_state(self.paths).topology, host).console
        command = self.ssh_command(host, ["cat", "/proc/sys/kernel/random/boot_id"])

        def has_rebooted() -> bool | None:
            answer = attempt(command, timeout)
            return (answer is not None and answer.strip() != boot_id) or None

        wait_for(has_rebooted, f"the reboot of {host}", timeout=timeout, log=console, pause=0.2)

    def wait_for_power_off(self, host: str, timeout: float = 60) -> None:
        """Return when a host that is shutting down is off.

        Args:
            host: The host's name.
            timeout: Seconds.

        Raises:
            InventoryError: The name is unknown.
            LabError: The lab is not up, or the host is still on after the timeout.
        """
        stopping = lab_host(self.paths, running_state(self.paths).topology, host)
        wait_for(
            lambda: not stopping.running() or None,
            f"the power-off of {host}",
            timeout=timeout,
            log=stopping.console,
        )

    def status(self) -> LabStatus:
        """Return the lab's current state, also if a killed command left the lab half built.

        Raises:
            LabError: The lab's state file is damaged.
        """
        state = LabState.load(self.paths.state)
        if state is None:
            return LabStatus(self.name, "absent", str(self.inventory), [], {}, [])
        return current_status(self.paths, state)

    def ssh_command(self, host: str, command: Sequence[str] = ()) -> list[str]:
        """Return the arguments for OpenSSH to open a shell on a host, or to run a command there.

        Args:
            host: The host's name.
            command: The command, as ssh(1) takes it; a shell without it.

        Raises:
            InventoryError: The name is unknown.
            LabError: The lab is not up.
        """
        lab_host(self.paths, running_state(self.paths).topology, host)
        return ["ssh", *(["-t"] if not command else []), "-F", str(self.ssh_config), host, *command]
