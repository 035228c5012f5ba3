"""The host kind `vm`: QEMU, with a kernel and a boot loader of its own, reached by SSH only, like a real host."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError, LabError
from runbook_lib.lab.command_lines import name_option
from runbook_lib.lab.hosts.host import LabHost
from runbook_lib.lab.hosts.host_files import identity_files
from runbook_lib.lab.hosts.qemu_command import SwitchPort, UserNetwork, VirtualMachine, command_line
from runbook_lib.lab.hosts.seed_disk import SeedDisk
from runbook_lib.lab.hosts.vm_disk import SystemDisk, system_disk
from runbook_lib.lab.services.image_registry import registry_socket
from runbook_lib.lab.services.package_cache import cache_socket
from runbook_lib.lab.ssh_endpoint import SshEndpoint
from runbook_lib.lab.ssh_keys import USERS
from runbook_lib.lab.state import LabState
from runbook_lib.lab.switch import mac_address, plug_vm
from runbook_lib.lab.system.directories import make_private
from runbook_lib.lab.system.subprocesses import run, start_detached
from runbook_lib.lab.system.tap_devices import TUN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runbook_lib.lab.system.paths import LabPaths
    from runbook_lib.lab.topology import HostPlan, Topology

__all__ = ["VmHost"]

_LOOPBACK = "127.0.0.1"
_PORTS = range(20000, 30000)  # below the kernel's range of ephemeral ports


class VmHost(LabHost):
    """A Debian that QEMU boots, on a copy-on-write layer over the disk that all VMs start from."""

    requirement = "vm"
    inventory_kind = "vm"
    uses_switch = os.geteuid() == 0 and TUN.exists()
    """Else the VM has a network of its own, QEMU's user-mode network, which needs no privilege."""
    starts_by_default = False
    boot_timeout = 180  # about 20 are needed without hardware virtualization on an idle machine

    def __init__(self, paths: LabPaths, topology: Topology, plan: HostPlan) -> None:
        super().__init__(paths, topology, plan)
        self._home = paths.host_run(plan.name)

    @classmethod
    def check_plan(cls, plan: HostPlan, where: str) -> None:
        """Refuse what a VM does not have: the disk is a Debian 12, QEMU's user-mode network has one interface."""
        if len(plan.interfaces) != 1 and not cls.uses_switch:
            raise InputError(
                f"a VM that is not on the lab's switch has one interface, not {len(plan.interfaces)}",
                where=where,
                hint=f"remove the others, or start the lab as root where {TUN} exists",
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
        """The host's own address, reached from the control namespace.

        Without the switch a port of this machine's loopback, the same for the lifetime of the lab.
        """
        if self.uses_switch:
            return SshEndpoint(self._plan.address, namespace=self._paths.control)
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
        for name in self._plan.interfaces:
            link = f"[Match]\nType=ether\nMACAddress={self._mac(name)}\n\n[Link]\nName={name}\n"
            seed.add_file(f"etc/systemd/network/10-{name}.link", link)
        key = self._paths.ssh / f"{self._plan.name}.host_ed25519"
        seed.add_file("etc/ssh/ssh_host_ed25519_key", key.read_text(encoding="ascii"), mode=0o600)
        client = (self._paths.ssh / "id_ed25519.pub").read_text(encoding="ascii")
        for user, uid in USERS.items():
            seed.add_file(f"home/{user}/.ssh/authorized_keys", client, mode=0o600, owner=uid)
        seed.write(data / "seed.tar")

    def start(self) -> None:
        """Start QEMU, with the VM's interfaces plugged into the switch if it uses that."""
        state = LabState.load(self._paths.state)
        if state is None:
            raise LabError(
                "the lab is not up",
                where=f"lab {self._paths.name}",
                hint=f"run `runbook lab up{name_option(self._paths.name)}`",
            )
        data = self._paths.host_data(self._plan.name)
        self._home.mkdir(parents=True, exist_ok=True)
        self.console.parent.mkdir(exist_ok=True)
        with self._network(state) as interfaces:
            machine = VirtualMachine(
                name=f"{self._paths.name}-{self._plan.name}",
                kernel=SystemDisk(Path(state.roots[self._plan.name])).kernel,
                overlay=data / "disk.qcow2",
                seed=data / "seed.tar",
                interfaces=interfaces,
                console=self.console,
                terminal=self._home / "console",
            )
            start_detached(
                *command_line(machine),
                cgroups=self._cgroup.create(),
                log=self.console,
                descriptors=[port.descriptor for port in interfaces if isinstance(port, SwitchPort)],
            )

    @contextlib.contextmanager
    def _network(self, state: LabState) -> Iterator[Sequence[SwitchPort | UserNetwork]]:
        if self.uses_switch:
            with plug_vm(self._plan, self._paths.switch, set(state.faults)) as taps:
                yield [SwitchPort(name, self._mac(name), descriptor) for name, descriptor in taps.items()]
            return
        name = self._plan.first_interface
        yield [
            UserNetwork(
                name,
                self._mac(name),
                address=self._plan.interfaces[name].address or "",
                port=self.ssh_endpoint.port,
                control=self._topology.control.ip,
                packages=cache_socket(state.packages),
                registry=registry_socket(self._paths),
            )
        ]

    def _mac(self, interface: str) -> str:
        return mac_address(self._paths.name, self._plan.name, interface)


def _free_port() -> int:
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind((_LOOPBACK, port))
            except OSError:
                continue
            return port
    raise LabError(f"no free port on {_LOOPBACK} between {_PORTS.start} and {_PORTS.stop - 1}")
