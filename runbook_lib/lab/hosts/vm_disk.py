"""The disk VMs start from: a Debian with its own kernel and GRUB, built once, without root and without loop devices.

mmdebstrap makes a tar archive, `mke2fs -d` makes a file system from it behind a partition table written here, and
a first boot with `-kernel` lets the VM itself install GRUB. The kernel is the distribution's own; a newer one is in
the same repositories (`linux-image-6.12-cloud-amd64` for Debian 12) and is not installed.
"""

from __future__ import annotations

import os
import re
import struct
import tarfile
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.errors import LabError
from runbook_lib.lab.hosts.kvm import accelerator
from runbook_lib.lab.hosts.rootfs import PACKAGES, recipe
from runbook_lib.lab.system.build_cache import built_once
from runbook_lib.lab.system.debian_bootstrap import EXCLUDED_PATHS, bootstrap
from runbook_lib.lab.system.stages import detail
from runbook_lib.lab.system.subprocesses import in_cgroups, run, tail

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["MACHINE", "SystemDisk", "system_disk"]

MACHINE = ("-machine", "q35", "-nodefaults", "-no-user-config", "-display", "none", "-m", "1024")
"""QEMU's arguments that the build and the VMs share: the initramfs is made for exactly this virtual machine."""
# The cloud kernel is a third of the size of the generic one, so it installs and boots faster.
_PACKAGES = (
    *PACKAGES,
    *("e2fsprogs", "grub-pc", "initramfs-tools", "linux-image-cloud-amd64", "lz4", "udev"),
)
_ESSENTIAL = """\
echo grub-pc grub-pc/install_devices_empty boolean true | chroot "$1" debconf-set-selections
mkdir -p "$1/etc/initramfs-tools/conf.d"
printf 'MODULES=list\\nCOMPRESS=lz4\\n' >"$1/etc/initramfs-tools/conf.d/lab"
printf 'virtio_pci\\nvirtio_blk\\next4\\n' >"$1/etc/initramfs-tools/modules"
"""
_SIZE = 8 * 2**30  # bytes; the file is sparse
_START = 2**20  # bytes: where installers put the first partition; GRUB is stored before it
_SECTOR = 512
_STEP_TIMEOUT = 900  # seconds
_USUALLY = 120.0  # seconds, without hardware virtualization
_DONE = "lab-finish: done"


@dataclass(frozen=True)
class SystemDisk:
    """The built disk: a directory of the build cache."""

    directory: Path

    @property
    def image(self) -> Path:
        """The raw disk, sparse and read-only from now on."""
        return self.directory / "disk.raw"

    @property
    def kernel(self) -> Path:
        """The kernel installed on it."""
        return self.directory / "vmlinuz"


def system_disk(distribution: str) -> SystemDisk:
    """Return the disk, building it on the first call (about 2 min without hardware virtualization).

    Args:
        distribution: Debian's code name, such as `bookworm`.

    Raises:
        LabError: The build failed.
        RequirementError: This machine's apt has no Debian repository.
    """
    scripts = [recipe("host.sh"), recipe("vm.sh")]
    recipe_parts = {
        "distribution": distribution,
        "packages": _PACKAGES,
        "scripts": [*scripts, _ESSENTIAL, recipe("unpack.sh")],
        "left out": EXCLUDED_PATHS,
        "machine": MACHINE,
        "size": _SIZE,
    }

    def build(directory: Path, cgroups: Sequence[Path]) -> None:
        _build(distribution, "".join(scripts), directory, cgroups)

    return SystemDisk(
        built_once("disk", recipe_parts, build, what="disk of virtual machines", usually=_USUALLY)
    )


def _build(distribution: str, script: str, directory: Path, cgroups: Sequence[Path]) -> None:
    identifier = str(uuid.uuid4())
    tree, disk = directory / "root.tar", SystemDisk(directory).image
    bootstrap(
        distribution,
        tree,
        cgroups,
        f"--include={','.join(_PACKAGES)}",
        f"--essential-hook={_ESSENTIAL}",
        f"--customize-hook=disk={identifier}\n{script}",
    )
    detail("file system")
    _make_disk(tree, disk, identifier, cgroups)
    _extract_kernel(tree, directory)
    tree.unlink()
    detail("first boot")
    _boot_once(SystemDisk(directory), identifier, cgroups)
    for name in ("initrd.img", "console.log"):
        (directory / name).unlink()


def _make_disk(tree: Path, disk: Path, identifier: str, cgroups: Sequence[Path]) -> None:
    # Entry 1 of the partition table (MBR): active, Linux, by sector numbers only.
    entry = struct.pack(
        "<B3sB3sII",
        0x80,
        b"\xfe\xff\xff",
        0x83,
        b"\xfe\xff\xff",
        _START // _SECTOR,
        (_SIZE - _START) // _SECTOR,
    )
    with disk.open("wb") as file:
        file.truncate(_SIZE)
        file.seek(446)
        file.write(entry.ljust(64, b"\0") + b"\x55\xaa")
    # For an ordinary user the helper runs as another user, who may not enter our directories: it gets open files.
    disk.chmod(0o666)
    own_mounts = ("unshare", "--mount", "--propagation", "private")
    helper = own_mounts if os.geteuid() == 0 else ("mmdebstrap", "--unshare-helper")
    unpack = (
        "sh",
        "-c",
        recipe("unpack.sh"),
        "unpack",
        str(_START),
        str((_SIZE - _START) // 1024),
        identifier,
    )
    run(
        *("sh", "-c", 'tree=$1 disk=$2; shift 2; exec "$@" <"$tree" 1<>"$disk"', "unpack", tree, disk),
        *in_cgroups(*helper, *unpack, cgroups=cgroups),
        what="make the VMs' file system",
        timeout=_STEP_TIMEOUT,
    )
    disk.chmod(0o600)


def _extract_kernel(tree: Path, directory: Path) -> None:
    found = re.compile(r"\./boot/(vmlinuz|initrd\.img)-.*")
    with tarfile.open(tree) as archive:
        for member in archive:
            match = found.fullmatch(member.name)
            content = archive.extractfile(member) if match else None
            if match and content:
                (directory / match[1]).write_bytes(content.read())


def _boot_once(disk: SystemDisk, identifier: str, cgroups: Sequence[Path]) -> None:
    log = disk.directory / "console.log"
    command = f"root=UUID={identifier} rw quiet console=ttyS0 panic=-1 init=/usr/local/sbin/lab-finish"
    run(
        *in_cgroups("qemu-system-x86_64", *MACHINE, *accelerator(disk.kernel), "-no-reboot", cgroups=cgroups),
        *("-drive", f"file={_escaped(disk.image)},format=raw,if=virtio,cache=unsafe"),
        *("-kernel", disk.kernel, "-initrd", disk.directory / "initrd.img", "-append", command),
        *("-serial", f"file:{log}"),
        what="boot the new disk for the first time",
        timeout=_STEP_TIMEOUT,
    )
    if _DONE not in log.read_text(encoding="utf-8", errors="replace"):
        raise LabError(f"the first boot of the new disk failed; its console ends with: {tail(log, 12)}")


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")
