"""The host kind `vm`: QEMU, with a kernel and a boot loader of its own, reached by SSH only, like a real host."""

from __future__ import annotations

import json
import random
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError, LabError
from runbook_lib.lab.hosts.host import LabHost
from runbook_lib.lab.hosts.host_files import identity_files
from runbook_lib.lab.hosts.qemu_command import VirtualMachine, command_line
from runbook_lib.lab.hosts.seed_disk import SeedDisk
from runbook_lib.lab.hosts.vm_disk import SystemDisk, system_disk
from runbook_lib.lab.services.image_registry import registry_socket
from runbook_lib.lab.services.package_cache import cache_socket
from runbook_lib.lab.ssh_endpoint import SshEndpoint
from runbook_lib.lab.ssh_keys import USERS
from runbook_lib.lab.state import LabState
from runbook_lib.lab.switch import mac_address
from runbook_lib.lab.system.paths import make_private
from runbook_lib.lab.system.subprocesses import run, start_detached

if TYPE_CHECKING:
    from runbook_lib.lab.system.paths import LabPaths
    from runbook_lib.lab.topology import HostPlan, Topology

__all__ = ["VmHost"]

_LOOPBACK = "127.0.0.1"
_PORTS = range(20000, 30000)  # below the kernel's range of ephemeral ports


class VmHost(LabHost):
    """A Debian that QEMU boots, on a copy-on-write layer over the disk that all VMs start from."""

    requirement = "vm"
    inventory_kind = "vm"
    starts_by_default = False
    boot_timeout = 180  # about 20 are needed without hardware virtualization on an idle machine

    def __init__(self, paths: LabPaths, topology: Topology, plan: HostPlan) -> None:
        super().__init__(paths, topology, plan)
        self._home = paths.host_run(plan.name)

    @classmethod
    def check_plan(cls, plan: HostPlan, where: str) -> None:
        """Refuse what a VM does not have: QEMU's user-mode network has one interface, the disk is a Debian 12."""
        if len(plan.interfaces) != 1:
            raise InputError(
                f"a VM has one interface, not {len(plan.interfaces)}", where=where, hint="remove the others"
            )
        if plan.distribution != "bookworm":
            raise InputError(
                f"a VM runs Debian 12 (bookworm), not {plan.distribution}",
                where=where,
                hint="choose containers with --hosts, or leave the VM its release",
            )
        if plan.network_stack != "ifupdown":
            raise InputError(
                f"a VM has the network stack ifupdown, not {plan.network_stack}",
                where=where,
                hint="make it a container, or remove `network_stack`",
            )

    @property
    def ssh_endpoint(self) -> SshEndpoint:
        """A port of this machine's loopback, the same for the lifetime of the lab."""
        file = self._home / "port.json"
        if not file.exists():
            self._home.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(_free_port()), encoding="ascii")
        return SshEndpoint(_LOOPBACK, int(json.loads(file.read_text(encoding="ascii"))))

    def build(self) -> str:
        """Return the directory of the disk that all VMs start from."""
        return str(system_disk(self._plan.distribution).directory)

    def prepare(self, base: str) -> None:
        """Make an empty layer over the disk, and the seed disk with this host's own files."""
        data = self._paths.host_data(self._plan.name)
        shutil.rmtree(data, ignore_errors=True)
        make_private(data)
        image = SystemDisk(Path(base)).image
        run(
            *("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image, data / "disk.qcow2"),
            what="make the VM's disk",
        )
        seed = SeedDisk()
        for name, text in identity_files(self._topology, self._plan).items():
            seed.add_file(name, text)
        link = f"[Match]\nMACAddress={self._mac}\n\n[Link]\nName={self._plan.first_interface}\n"
        seed.add_file(f"etc/systemd/network/10-{self._plan.first_interface}.link", link)
        key = self._paths.ssh / f"{self._plan.name}.host_ed25519"
        seed.add_file("etc/ssh/ssh_host_ed25519_key", key.read_text(encoding="ascii"), mode=0o600)
        client = (self._paths.ssh / "id_ed25519.pub").read_text(encoding="ascii")
        for user, uid in USERS.items():
            seed.add_file(f"home/{user}/.ssh/authorized_keys", client, mode=0o600, owner=uid)
        seed.write(data / "seed.tar")

    def start(self) -> None:
        """Start QEMU."""
        state = LabState.load(self._paths.state)
        if state is None:
            raise LabError("the lab is not up", where=f"lab {self._paths.name}", hint="run `runbook lab up`")
        data = self._paths.host_data(self._plan.name)
        self._home.mkdir(parents=True, exist_ok=True)
        self.console.parent.mkdir(exist_ok=True)
        machine = VirtualMachine(
            name=f"{self._paths.name}-{self._plan.name}",
            kernel=SystemDisk(Path(state.roots[self._plan.name])).kernel,
            overlay=data / "disk.qcow2",
            seed=data / "seed.tar",
            mac=self._mac,
            address=self._plan.interfaces[self._plan.first_interface].address or "",
            port=self.ssh_endpoint.port,
            control=self._topology.control.ip,
            packages=cache_socket(state.packages),
            registry=registry_socket(self._paths),
            console=self.console,
            terminal=self._home / "console",
        )
        start_detached(*command_line(machine), cgroups=self._cgroup.create(), log=self.console)

    @property
    def _mac(self) -> str:
        return mac_address(self._paths.name, self._plan.name, self._plan.first_interface)


def _free_port() -> int:
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind((_LOOPBACK, port))
            except OSError:
                continue
            return port
    raise LabError(f"no free port on {_LOOPBACK} between {_PORTS.start} and {_PORTS.stop - 1}")
