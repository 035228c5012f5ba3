"""Whether QEMU can use KVM on this machine; if not, it emulates the processor.

A device file is not proof: /dev/kvm may exist, run a boot sector, and hang at a kernel's first instructions.
So the probe boots a kernel until the kernel reports that it has no root file system.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
from pathlib import Path

from runbook_lib.lab.system.paths import cache_directory

__all__ = ["accelerator", "kvm_works"]

_log = logging.getLogger(__name__)
_DEVICE = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMEOUT = 10  # seconds; with working hardware virtualization the kernel needs 1 or 2
_KERNEL_BOOTED = b"Unable to mount root fs"


def accelerator(kernel: Path) -> tuple[str, ...]:
    """Return QEMU's arguments for accelerator and processor.

    Args:
        kernel: A kernel to try hardware virtualization with.
    """
    if kvm_works(kernel):
        return ("-accel", "kvm", "-cpu", "host", "-smp", "2")
    # Measured: other models and `mitigations=off` are not faster, and a second processor is slower. Without a
    # source of random numbers a boot takes up to 20 s longer, because e2fsck waits for entropy.
    return ("-accel", "tcg,thread=multi", "-cpu", "qemu64,+rdrand,+rdseed", "-smp", "1")


def kvm_works(kernel: Path) -> bool:
    """Return whether KVM boots a kernel; tried once per boot of this machine and per user.

    Args:
        kernel: The kernel to boot.
    """
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return False
    boot = _BOOT_ID.read_text(encoding="ascii").strip()
    file = cache_directory() / "kvm.json"
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        result = {}
    if not isinstance(result, dict) or result.get("boot") != boot or "works" not in result:
        result = {"boot": boot, "works": _boots(kernel)}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(result), encoding="utf-8")
    return bool(result["works"])


def _boots(kernel: Path) -> bool:
    command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults"]
    command += ["-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"]
    command += ["-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    try:
        completed = subprocess.run(
            command, check=False, timeout=_TIMEOUT, stdin=subprocess.DEVNULL, capture_output=True
        )
    except subprocess.TimeoutExpired:
        _log.warning("%s exists, but no kernel boots with it: VMs run without it, more slowly", _DEVICE)
        return False
    return _KERNEL_BOOTED in completed.stdout
