"""Mounts of the labs in this process's mount namespace."""

from __future__ import annotations

import logging
from pathlib import Path

from runbook_lib.errors import LabError
from runbook_lib.lab.system.subprocesses import run

__all__ = ["mounts_below", "unmount"]

_log = logging.getLogger(__name__)


def mounts_below(*directories: Path) -> list[Path]:
    """Return the mount points at or below some directories, deepest first.

    Args:
        directories: Absolute paths.
    """
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        target = Path(line.split()[4].encode().decode("unicode_escape"))
        if any(target == directory or directory in target.parents for directory in directories):
            found.append(target)
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def unmount(target: Path, what: str) -> None:
    """Unmount a file system, unless somebody else has unmounted it since it was listed.

    Another command that removes its lab's directory takes the mounts there out of every mount namespace.

    Args:
        target: The mount point.
        what: The purpose, as the end of "could not ...".

    Raises:
        LabError: It is still mounted.
    """
    try:
        run("umount", target, what=what)
    except LabError as failed:
        if target in mounts_below(target):
            raise
        _log.debug("%s was unmounted by somebody else: %s", target, failed.message)
