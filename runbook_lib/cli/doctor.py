"""`runbook doctor`: what this machine has and lacks, with the command that mends it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

__all__ = ["doctor_command"]

_LEAST_PYTHON = (3, 11)
_LEAST_DISK = 4 * 2**30  # bytes: root file systems, package cache, images and two hosts


@click.command("doctor")
def doctor_command() -> int:
    """Tell what this machine has and lacks, with the command that mends it.

    Exit code 2 where the practice hosts cannot be had.
    """
    from runbook_lib import system_requirements  # noqa: PLC0415 - `--help` stays quick

    lacking_needed = False
    _tell(
        sys.version_info >= _LEAST_PYTHON, f"Python {sys.version.split()[0]}", "install Python 3.11 or newer"
    )
    for part, programs in system_requirements.PARTS.items():
        optional = system_requirements.OPTIONAL.get(part)
        lacking = system_requirements.missing(part)
        names = ", ".join(program.name for program in lacking)
        packages = " ".join(sorted({program.package for program in lacking}))
        told = f"{part}: {names} missing" if lacking else f"{part}: all {len(programs)} programs"
        _tell(
            not lacking,
            told + (f" ({optional})" if optional else ""),
            f"as root: apt-get install {packages}",
        )
        lacking_needed |= bool(lacking) and part == "lab"
    root = os.geteuid() == 0
    _tell(
        root,
        "root" if root else "an ordinary user",
        "practice hosts need root: use sudo, or name your own hosts",
    )
    free = shutil.disk_usage(Path.home()).free
    _tell(
        free > _LEAST_DISK,
        f"{free / 2**30:.0f} GiB free at home",
        "practice hosts need 4 GiB; set RUNBOOK_CACHE",
    )
    return 2 if lacking_needed or not root else 0


def _tell(well: bool, what: str, mend: str) -> None:  # noqa: FBT001 - private, and called in one way
    click.echo(f"  ✓ {what}" if well else f"  ✗ {what}\n      hint: {mend}")
