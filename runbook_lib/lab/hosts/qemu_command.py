"""QEMU's command line for a VM: user-mode network, serial console, two disks; it does not need root."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING

from runbook_lib.lab.hosts.kvm import accelerator
from runbook_lib.lab.hosts.vm_disk import MACHINE
from runbook_lib.lab.services import image_registry, package_cache

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["VirtualMachine", "command_line"]


@dataclass(frozen=True)
class VirtualMachine:
    """One virtual machine."""

    name: str
    kernel: Path
    """A kernel to try hardware virtualization with; the VM boots the kernel on its own disk."""
    overlay: Path
    """The VM's disk: a copy-on-write layer."""
    seed: Path
    """The VM's second disk, with the host's own files."""
    mac: str
    address: str
    """With prefix length, on a network of the VM's own where only control's services answer."""
    port: int
    """Port of this machine's loopback that is forwarded to the VM's SSH server."""
    control: str
    """Address at which the VM reaches the services."""
    packages: Path
    """Socket of the package cache."""
    registry: Path
    """Socket of the image registry."""
    console: Path
    """File that the output of the serial console is appended to."""
    terminal: Path
    """Socket for typing at the serial console."""


def command_line(machine: VirtualMachine) -> list[str]:
    """Return QEMU's arguments.

    Args:
        machine: The virtual machine.
    """
    console = f"socket,id=console,path={_escaped(machine.terminal)},server=on,wait=off"
    return [
        "qemu-system-x86_64",
        *("-name", machine.name),
        *MACHINE,
        *accelerator(machine.kernel),
        # Practice data: what the guest has flushed survives the end of QEMU, though not a power cut of this machine.
        *("-drive", f"file={_escaped(machine.overlay)},format=qcow2,if=virtio,cache=unsafe,discard=unmap"),
        *("-drive", f"file={_escaped(machine.seed)},format=raw,if=virtio,readonly=on"),
        *("-netdev", _network(machine), "-device", f"virtio-net-pci,netdev=em1,mac={machine.mac},romfile="),
        *("-chardev", f"{console},logfile={_escaped(machine.console)},logappend=on"),
        *("-serial", "chardev:console"),
    ]


def _network(machine: VirtualMachine) -> str:
    interface = IPv4Interface(machine.address)
    cache = shlex.join([f"{package_cache.SUPPORT}/in.acng", str(machine.packages)])
    images = shlex.join(["socat", "-", f"UNIX-CONNECT:{machine.registry}"])
    return ",".join(
        [
            "user,id=em1,restrict=on,ipv6=off",
            f"net={interface.network}",
            f"hostfwd=tcp:127.0.0.1:{machine.port}-{interface.ip}:22",
            f"guestfwd=tcp:{machine.control}:{package_cache.PORT}-cmd:{_escaped(cache)}",
            f"guestfwd=tcp:{machine.control}:{image_registry.PORT}-cmd:{_escaped(images)}",
        ]
    )


def _escaped(value: Path | str) -> str:
    return str(value).replace(",", ",,")
