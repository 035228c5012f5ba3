"""QEMU's command line for a host: user-mode network, serial console, two disks. Nothing of it needs root."""

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

__all__ = ["Machine", "command_line"]


@dataclass(frozen=True)
class Machine:
    """One virtual machine."""

    name: str
    kernel: Path
    """To try hardware virtualization with; the machine boots its disk's own."""
    overlay: Path
    seed: Path
    mac: str
    address: str
    """With prefix length; on a network of its own, where nothing but control's services answers."""
    port: int
    """On this machine's loopback, passed on to the guest's SSH server."""
    control: str
    """Address the services are offered at, in the guest's network."""
    packages: Path
    """Socket of the package cache."""
    registry: Path
    """Socket of the image registry."""
    console: Path
    """File the serial console is written to."""
    terminal: Path
    """Socket of the serial console, to type at."""


def command_line(machine: Machine) -> list[str]:
    """Return QEMU's arguments."""
    console = f"socket,id=console,path={_escaped(machine.terminal)},server=on,wait=off"
    return [
        "qemu-system-x86_64",
        *("-name", machine.name),
        *MACHINE,
        *accelerator(machine.kernel),
        # Nobody's data: what the guest flushed survives QEMU's death, though not this machine's power cut.
        *("-drive", f"file={_escaped(machine.overlay)},format=qcow2,if=virtio,cache=unsafe,discard=unmap"),
        *("-drive", f"file={_escaped(machine.seed)},format=raw,if=virtio,readonly=on"),
        *("-netdev", _network(machine), "-device", f"virtio-net-pci,netdev=em1,mac={machine.mac},romfile="),
        *("-chardev", f"{console},logfile={_escaped(machine.console)},logappend=on"),
        *("-serial", "chardev:console"),
    ]


def _network(machine: Machine) -> str:
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
