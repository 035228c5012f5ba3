"""`runbook doctor`: what this machine has and what it lacks, with the command that installs it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

__all__ = ["doctor_command"]

_MIN_PYTHON = (3, 11)
_MIN_DISK = 4 * 2**30  # bytes: root file systems, package cache, images and two hosts


@click.command("doctor")
def doctor_command() -> int:
    """Show what this machine has and what it lacks, with the command that installs it.

    Exit code 2 if this machine cannot run the practice hosts.
    """
    from runbook_lib import extras, system_requirements  # noqa: PLC0415 - keeps `--help` fast
    from runbook_lib.installation import Origin  # noqa: PLC0415 - as above

    _print_check(
        f"Python {sys.version.split()[0]}",
        passed=sys.version_info >= _MIN_PYTHON,
        hint="install Python 3.11 or newer",
    )
    lab_complete = not extras.missing_packages("lab")
    for extra in extras.EXTRAS:
        missing_modules = extras.missing_packages(extra)
        _print_check(
            f"extra {extra}: {', '.join(missing_modules)} missing"
            if missing_modules
            else f"extra {extra}: installed",
            passed=not missing_modules,
            hint=f"if you need it: {Origin.installed().pip_install(extra)}",
        )
    for part, programs in system_requirements.PARTS.items():
        missing = system_requirements.missing(part)
        names = ", ".join(program.name for program in missing)
        packages = " ".join(sorted({program.package for program in missing}))
        optional = system_requirements.OPTIONAL.get(part)
        available = f"all {len(programs)} programs" if len(programs) > 1 else "program"
        summary = f"{part}: {names} missing" if missing else f"{part}: {available} available"
        _print_check(
            summary + (f" ({optional})" if optional else ""),
            passed=not missing,
            hint=f"as root: apt-get install {packages}",
        )
        if part == "lab" and missing:
            lab_complete = False
    root = os.geteuid() == 0
    _print_check(
        "root" if root else "not root",
        passed=root,
        hint="practice hosts need root: use sudo, or use your own hosts",
    )
    _print_disk_check()
    return 0 if lab_complete and root else 2


def _print_disk_check() -> None:
    try:
        free = shutil.disk_usage(Path.home()).free
    except (
        OSError,
        RuntimeError,
    ) as problem:  # RuntimeError: a user without an entry in passwd, and without HOME
        _print_check(
            f"no home directory: {problem}",
            passed=False,
            hint="set HOME, or RUNBOOK_CACHE, to a directory of this user on a disk with 4 GiB",
        )
        return
    _print_check(
        f"{free / 2**30:.0f} GiB free in the home directory",
        passed=free > _MIN_DISK,
        hint="practice hosts need 4 GiB; set RUNBOOK_CACHE to a directory on a larger disk",
    )


def _print_check(summary: str, *, passed: bool, hint: str) -> None:
    click.echo(f"  ✓ {summary}" if passed else f"  ✗ {summary}\n      hint: {hint}")
