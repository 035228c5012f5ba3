"""QEMU's command line for a VM: its network, serial console, two disks.

The network is the lab's switch, or QEMU's own user-mode network, which does not need root.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING

from runbook_lib.lab.hosts.kvm import accelerator
from runbook_lib.lab.hosts.vm_disk import MACHINE
from runbook_lib.lab.services import image_registry, package_cache

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["SwitchPort", "UserNetwork", "VirtualMachine", "command_line"]


@dataclass(frozen=True)
class SwitchPort:
    """An interface of the VM on the lab's switch."""

    interface: str
    mac: str
    descriptor: int
    """Of the tap device that is the port (`switch.plug_vm`); QEMU inherits it."""


@dataclass(frozen=True)
class UserNetwork:
    """An interface of the VM on a network of its own, where only its SSH server and control's services answer."""

    interface: str
    mac: str
    address: str
    """With prefix length."""
    port: int
    """Port of this machine's loopback that is forwarded to the VM's SSH server."""
    control: str
    """Address at which the VM reaches the services."""
    packages: Path
    """Socket of the package cache."""
    registry: Path
    """Socket of the image registry."""


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
    interfaces: Sequence[SwitchPort | UserNetwork]
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
        *_network(machine.interfaces),
        *("-chardev", f"{console},logfile={_escaped(machine.console)},logappend=on"),
        *("-serial", "chardev:console"),
    ]


def _network(interfaces: Sequence[SwitchPort | UserNetwork]) -> Iterator[str]:
    for interface in interfaces:
        name = interface.interface
        if isinstance(interface, SwitchPort):
            backend = f"tap,id={name},fd={interface.descriptor}"
        else:
            backend = f"user,id={name},{_user_network(interface)}"
        yield from (
            "-netdev",
            backend,
            "-device",
            f"virtio-net-pci,netdev={name},mac={interface.mac},romfile=",
        )


def _user_network(interface: UserNetwork) -> str:
    address = IPv4Interface(interface.address)
    cache = shlex.join([f"{package_cache.SUPPORT}/in.acng", str(interface.packages)])
    images = shlex.join(["socat", "-", f"UNIX-CONNECT:{interface.registry}"])
    return ",".join(
        [
            "restrict=on,ipv6=off",
            f"net={address.network}",
            f"hostfwd=tcp:127.0.0.1:{interface.port}-{address.ip}:22",
            f"guestfwd=tcp:{interface.control}:{package_cache.PORT}-cmd:{_escaped(cache)}",
            f"guestfwd=tcp:{interface.control}:{image_registry.PORT}-cmd:{_escaped(images)}",
        ]
    )


def _escaped(value: Path | str) -> str:
    return str(value).replace(",", ",,")
