"""How QEMU runs a guest's instructions here: by hardware where a probe proves that it works, else by software.

A device file is no proof: /dev/kvm may be there, run a boot sector, and hang at a kernel's first instructions.
So the probe boots a kernel until it complains that it has no root file system.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
from pathlib import Path

from runbook_lib.lab.system.paths import cache_directory

__all__ = ["accelerator", "hardware_works"]

_log = logging.getLogger(__name__)
_DEVICE = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMEOUT = 10  # seconds; with hardware the kernel is there after 1 or 2
_REACHED = b"Unable to mount root fs"


def accelerator(kernel: Path) -> tuple[str, ...]:
    """Return QEMU's arguments for the processor.

    Args:
        kernel: A kernel to try hardware virtualization with.
    """
    if hardware_works(kernel):
        return ("-accel", "kvm", "-cpu", "host", "-smp", "2")
    # Measured: neither other models nor `mitigations=off` are quicker; a second processor is slower. Without a
    # source of random numbers a kernel boots up to 20 s longer: e2fsck waits for some.
    return ("-accel", "tcg,thread=multi", "-cpu", "qemu64,+rdrand,+rdseed", "-smp", "1")


def hardware_works(kernel: Path) -> bool:
    """Tell whether KVM boots a kernel; tried once for each boot of this machine and each user."""
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return False
    boot = _BOOT_ID.read_text(encoding="ascii").strip()
    remembered = cache_directory() / "kvm.json"
    try:
        known = json.loads(remembered.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        known = {}
    if known.get("boot") != boot:
        known = {"boot": boot, "works": _boots(kernel)}
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.write_text(json.dumps(known), encoding="utf-8")
    return bool(known["works"])


def _boots(kernel: Path) -> bool:
    command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults"]
    command += ["-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"]
    command += ["-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    try:
        ended = subprocess.run(
            command, check=False, timeout=_TIMEOUT, stdin=subprocess.DEVNULL, capture_output=True
        )
    except subprocess.TimeoutExpired:
        _log.warning("%s is there, but no kernel boots with it: VMs run without it, slower", _DEVICE)
        return False
    return _REACHED in ended.stdout
