"""The lab as a whole: up, status, reset, down."""

from __future__ import annotations

import logging
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.lab.assembly import Assembly, possible
from runbook_lib.lab.faults import Faults
from runbook_lib.lab.hosts.registry import host_of, state_of
from runbook_lib.lab.inventory_file import check_inventory_place
from runbook_lib.lab.services import package_cache
from runbook_lib.lab.services.services import answering
from runbook_lib.lab.state import LabState
from runbook_lib.lab.status import HostStatus, LabStatus
from runbook_lib.lab.system.paths import Places, locked
from runbook_lib.lab.system.subprocesses import wait_for
from runbook_lib.lab.teardown import end_lab
from runbook_lib.lab.topology import DEFAULT_TOPOLOGY, Topology
from runbook_lib.yaml_files import find_upwards

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEFAULT_NAME", "Lab"]

_log = logging.getLogger(__name__)
DEFAULT_NAME = "default"


class Lab:
    """One lab of this machine.

    Args:
        name: Labs of different names run side by side.
        topology: Topology file, for `up`; a running lab remembers its own.
        inventory: Where to write the inventory; the default lab's is `inventory.yml` beside the topology,
            another's is in its state directory.

    >>> lab = Lab.open("default")          # doctest: +SKIP
    >>> lab.up(); Inventory.load(lab.inventory).select("all")          # doctest: +SKIP
    """

    def __init__(
        self, name: str, topology: str | Path = DEFAULT_TOPOLOGY, inventory: Path | None = None
    ) -> None:
        self.places = Places(name)
        self._topology_file = find_upwards(topology).absolute()
        self._inventory = inventory

    @classmethod
    def open(
        cls,
        name: str = DEFAULT_NAME,
        topology: str | Path = DEFAULT_TOPOLOGY,
        inventory: str | Path | None = None,
    ) -> Lab:
        """Return the lab of that name, whether or not it is up; nothing is started.

        Raises:
            InputError: The name cannot be a lab's.
        """
        return cls(name, topology, Path(inventory).absolute() if inventory else None)

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.places.name

    @property
    def inventory(self) -> Path:
        """The inventory file, there while the lab is up."""
        state = LabState.load(self.places.state)
        if state:
            return Path(state.inventory)
        if self._inventory:
            return self._inventory
        if self.name == DEFAULT_NAME:
            return self._topology_file.with_name("inventory.yml")
        return self.places.run / "inventory.yml"

    @property
    def ssh_config(self) -> Path:
        """A configuration for OpenSSH: `ssh -F FILE host-a`."""
        return self.places.ssh / "ssh_config"

    @property
    def faults(self) -> Faults:
        """Break and repair parts of the running lab."""
        return Faults(self.places)

    def up(self, hosts: Sequence[str] | None = None, *, wait_for: Sequence[str] | None = None) -> bool:
        """Build and start the lab; return when every host lets its user log in.

        A lab that is up already is left as it is, but hosts that it lacks are added and those that were
        switched off are started; what a killed command left behind is ended first. Interrupted, a new lab ends
        what it began.

        Args:
            hosts: Names of the topology's hosts; without it all that this machine can have: where the VMs'
                programs are missing, it says so and goes on without VMs.
            wait_for: Hosts to wait for, such as the containers: VMs boot meanwhile, and `wait` waits for them.
                All without it.

        Returns:
            False if it was up already.

        Raises:
            RequirementError: This machine lacks a program, or this user is not root and wants containers.
            InputError: The topology is wrong.
            LabError: A part could not be built or started.
        """
        topology = possible(Topology.load(self._topology_file), hosts)
        with locked(self.places.lock):
            state = LabState.load(self.places.state) if self.places.state.exists() else None
            if state and state.phase == "up":
                return Assembly(self.places, state).complete(topology, wait_for)
            if state or self.places.run.exists():
                _log.warning("lab %s: an earlier command did not end; cleaning up after it", self.name)
                end_lab(self.places)
            begun = time.monotonic()
            try:
                self._begin(topology, wait_for)
            except BaseException:
                _log.warning("lab %s did not come up; taking it down", self.name)
                end_lab(self.places)
                raise
            _log.info("lab %s is up after %.1f s", self.name, time.monotonic() - begun)
        return True

    def wait(self, hosts: Sequence[str] | None = None) -> None:
        """Return when hosts let their user log in.

        Args:
            hosts: Names; all without it.

        Raises:
            InventoryError: A name is unknown.
            LabError: The lab is not up, or a host does not come.
        """
        state = state_of(self.places)
        for name in hosts or state.hosts:
            host_of(self.places, state, name).wait()

    def down(self) -> bool:
        """End the lab and prove that nothing of it is left.

        Returns:
            False if there was none.

        Raises:
            LabError: Something is left; it is named.
        """
        with locked(self.places.lock):
            return end_lab(self.places)

    def reset(self, hosts: Sequence[str] | None = None) -> None:
        """Put hosts back to the state of a freshly installed machine, and repair every fault.

        SSH keys stay, so inventory and known_hosts stay right.

        Args:
            hosts: Names; all without it.

        Raises:
            InventoryError: A name is unknown.
            LabError: The lab is not up, or a host does not come back.
        """
        with locked(self.places.lock):
            state = state_of(self.places)
            chosen = {name: host_of(self.places, state, name) for name in (hosts or state.hosts)}
            self.faults.repair_locked(state, reinstalled=chosen)
            state.unprepared = sorted({*state.unprepared, *chosen})
            state.save(self.places)
            for host in chosen.values():
                host.stop()
            for name, host in chosen.items():
                host.prepare(state.roots[name])
                host.start()
            state.unprepared = [name for name in state.unprepared if name not in chosen]
            state.save(self.places)
            for host in chosen.values():
                host.wait()

    def restart(self, host: str) -> None:
        """Pull a host's plug and switch it on again; its files stay.

        Raises:
            InventoryError: The name is unknown.
            LabError: The lab is not up, or the host does not come back.
        """
        with locked(self.places.lock):
            machine = host_of(self.places, state_of(self.places), host)
            machine.stop()
            machine.start()
            machine.wait()

    def wait_for_reboot(self, host: str, boot_id: str, timeout: float = 180) -> None:
        """Return when a host that was told to reboot lets its user log in again.

        Args:
            host: Its name.
            boot_id: What /proc/sys/kernel/random/boot_id said before.
            timeout: Seconds.

        Raises:
            LabError: It does not come back in time.
        """
        machine = host_of(self.places, state_of(self.places), host)
        command = self.ssh_command(host, ["cat", "/proc/sys/kernel/random/boot_id"])

        def is_new() -> bool | None:
            answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout)
            return (answer.returncode == 0 and answer.stdout.strip() != boot_id) or None

        wait_for(is_new, f"the reboot of {host}", timeout=timeout, log=machine.console, pause=0.2)

    def wait_for_power_off(self, host: str, timeout: float = 60) -> None:
        """Return when a host that was told to power off is off.

        Args:
            host: Its name.
            timeout: Seconds.

        Raises:
            LabError: It is still on after that.
        """
        machine = host_of(self.places, state_of(self.places), host)
        wait_for(
            lambda: not machine.running() or None, f"the end of {host}", timeout=timeout, log=machine.console
        )

    def status(self) -> LabStatus:
        """Return what is there now; also of a lab that a killed command left half built."""
        state = LabState.load(self.places.state)
        if state is None:
            return LabStatus(self.name, "absent", str(self.inventory), [], {}, [])
        hosts = []
        for name in state.hosts:
            host = host_of(self.places, state, name)
            address = host.reach.known_as
            hosts.append(HostStatus(name, address, host.running(), host.answers(), str(host.console)))
        services = answering(self.places, state)
        return LabStatus(self.name, state.phase, state.inventory, state.faults, services, hosts)

    def ssh_command(self, host: str, command: Sequence[str] = ()) -> list[str]:
        """Return the argument list of OpenSSH that opens a shell on a host or runs a command there.

        Raises:
            InventoryError: The name is unknown.
            LabError: The lab is not up.
        """
        host_of(self.places, state_of(self.places), host)
        return ["ssh", *(["-t"] if not command else []), "-F", str(self.ssh_config), host, *command]

    def _begin(self, topology: Topology, wait_for: Sequence[str] | None) -> None:
        inventory = self.inventory
        check_inventory_place(self.name, inventory)
        state = LabState(
            name=self.name,
            control=topology.control,
            hosts={},
            groups={},
            inventory=str(inventory),
            packages=package_cache.service_name(),
        )
        data = self.places.data
        self.places.run.mkdir(parents=True)
        (self.places.run / "data").symlink_to(data)
        data.mkdir(parents=True, exist_ok=True)
        self.places.log("").parent.mkdir()
        state.save(self.places)
        Assembly(self.places, state).complete(topology, wait_for)
        state.phase = "up"
        state.save(self.places)
