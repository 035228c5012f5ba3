"""A host with a kernel and a boot loader of its own: QEMU, reached by SSH only, like a real one."""

from __future__ import annotations

import json
import random
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import LabError
from runbook_lib.lab.hosts.host import LabHost
from runbook_lib.lab.hosts.host_files import identity
from runbook_lib.lab.hosts.qemu_command import Machine, command_line
from runbook_lib.lab.hosts.seed_disk import Seed
from runbook_lib.lab.hosts.vm_disk import SystemDisk, system_disk
from runbook_lib.lab.services.image_registry import registry_socket
from runbook_lib.lab.services.package_cache import cache_socket
from runbook_lib.lab.ssh_endpoint import Reach
from runbook_lib.lab.ssh_keys import USERS
from runbook_lib.lab.state import LabState
from runbook_lib.lab.switch import mac_address
from runbook_lib.lab.system.subprocesses import launch, run

if TYPE_CHECKING:
    from runbook_lib.lab.system.paths import Places
    from runbook_lib.lab.topology import HostPlan, Topology

__all__ = ["VmHost"]

_LOOPBACK = "127.0.0.1"
_PORTS = range(20000, 30000)  # below those that kernels hand out by themselves


class VmHost(LabHost):
    """A Debian that QEMU boots, on a copy-on-write layer over the disk that all VMs start from."""

    boot_timeout = 180  # without hardware virtualization and with nothing else to do about 20 are needed

    def __init__(self, places: Places, topology: Topology, plan: HostPlan) -> None:
        super().__init__(places, topology, plan)
        self._home = places.host_run(plan.name)

    @property
    def reach(self) -> Reach:
        """A port of this machine's loopback, the same as long as the lab is there."""
        file = self._home / "port.json"
        if not file.exists():
            self._home.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(_free_port()), encoding="ascii")
        return Reach(_LOOPBACK, int(json.loads(file.read_text(encoding="ascii"))))

    def build(self) -> str:
        """Return the directory of the disk."""
        return str(system_disk(self._plan.distribution).directory)

    def prepare(self, lower: str) -> None:
        """Make an empty layer over the disk, and the seed that makes it this host."""
        data = self._places.host_data(self._plan.name)
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        base = SystemDisk(Path(lower)).image
        run(
            *("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, data / "disk.qcow2"),
            what="make the VM's disk",
        )
        seed = Seed()
        for name, text in identity(self._topology, self._plan).items():
            seed.place(name, text)
        link = f"[Match]\nMACAddress={self._mac}\n\n[Link]\nName={self._plan.first_interface}\n"
        seed.place(f"etc/systemd/network/10-{self._plan.first_interface}.link", link)
        key = self._places.ssh / f"{self._plan.name}.host_ed25519"
        seed.place("etc/ssh/ssh_host_ed25519_key", key.read_text(encoding="ascii"), mode=0o600)
        client = (self._places.ssh / "id_ed25519.pub").read_text(encoding="ascii")
        for user, uid in USERS.items():
            seed.place(f"home/{user}/.ssh/authorized_keys", client, mode=0o600, owner=uid)
        seed.write(data / "seed.tar")

    def start(self) -> None:
        """Start QEMU."""
        state = LabState.load(self._places.state)
        if state is None:
            raise LabError("is not up", where=f"lab {self._places.name}", hint="`runbook lab up`")
        data = self._places.host_data(self._plan.name)
        self._home.mkdir(parents=True, exist_ok=True)
        self.console.parent.mkdir(exist_ok=True)
        machine = Machine(
            name=f"{self._places.name}-{self._plan.name}",
            kernel=SystemDisk(Path(state.roots[self._plan.name])).kernel,
            overlay=data / "disk.qcow2",
            seed=data / "seed.tar",
            mac=self._mac,
            address=self._plan.interfaces[self._plan.first_interface].address or "",
            port=self.reach.port,
            control=self._topology.control.ip,
            packages=cache_socket(state.packages),
            registry=registry_socket(self._places),
            console=self.console,
            terminal=self._home / "console",
        )
        launch(*command_line(machine), cgroups=self._cgroup.create(), log=self.console)

    @property
    def _mac(self) -> str:
        return mac_address(self._places.name, self._plan.name, self._plan.first_interface)


def _free_port() -> int:
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind((_LOOPBACK, port))
            except OSError:
                continue
            return port
    raise LabError(f"no port of {_LOOPBACK} is free between {_PORTS.start} and {_PORTS.stop}")
