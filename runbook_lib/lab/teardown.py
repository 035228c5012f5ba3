"""End a lab in whatever state a command left it, and check that nothing remains."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import LabError
from runbook_lib.lab.inventory_file import remove_inventory
from runbook_lib.lab.services.package_cache import service_name, stop_unused_cache
from runbook_lib.lab.state import LabState
from runbook_lib.lab.system.build_cache import remove_abandoned_builds
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.mounts import mounts_below, unmount
from runbook_lib.lab.system.paths import DATA

if TYPE_CHECKING:
    from runbook_lib.lab.system.paths import LabPaths

__all__ = ["leftovers", "tear_down"]

_log = logging.getLogger(__name__)


def tear_down(paths: LabPaths) -> bool:
    """End every process of a lab and remove everything it made; parts may be missing already.

    Args:
        paths: The lab's files.

    Returns:
        False if there was no such lab.

    Raises:
        LabError: Something remains; the message lists it.
    """
    owns_data = paths.owns_data
    if not (paths.run.exists() or (paths.data.exists() and owns_data) or Cgroup(paths.name).existing()):
        return False
    try:
        state = LabState.load(paths.state)
    except LabError as damaged:
        _log.warning("%s; ending everything that has the lab's name", damaged.message)
        state = None
    if state:
        state.phase = "ending"
        state.save(paths)
    data = paths.data
    namespaces = _namespace_ids(paths)
    group = Cgroup(paths.name)
    group.kill()
    strangers = _processes_in(namespaces)
    for target in mounts_below(paths.run, data):
        unmount(target, "unmount a file system of the lab")
    group.remove()
    if state:
        remove_inventory(paths.name, Path(state.inventory))
    if owns_data:
        shutil.rmtree(data, ignore_errors=True)
        if data.is_dir():  # something uses it: a later command is to find whose it is
            paths.make_data()
        if data.parent == DATA:  # another one is the user's, who made it or named it
            _remove_if_empty(data.parent)
    # Last: while this directory exists, the next command knows that the lab is to be ended.
    shutil.rmtree(paths.run, ignore_errors=True)
    remove_abandoned_builds()
    stop_unused_cache(state.packages if state else service_name())
    # Once a namespace is gone, the kernel gives its number to the next one, of another lab: a process is counted only
    # if it was in the namespace before that.
    left = leftovers(paths, data if owns_data else paths.run, strangers & _processes_in(namespaces))
    if left:
        raise LabError(
            f"the lab could not be ended completely; remaining: {'; '.join(left)}",
            where=f"lab {paths.name}",
            hint="end what uses them, then run `runbook lab down` again",
        )
    return True


def leftovers(paths: LabPaths, data: Path, strangers: set[int]) -> list[str]:
    """Return everything of a lab that still exists on this machine.

    Args:
        paths: The lab's files.
        data: Where the hosts' files were.
        strangers: Processes in the lab's network namespaces that are in none of its control groups.

    Returns:
        One phrase per process, mount, control group and directory; empty if nothing remains.
    """
    group = Cgroup(paths.name)
    found = [f"process {pid}" for pid in sorted(group.processes() | strangers)]
    found += [f"mount {target}" for target in mounts_below(paths.run, data)]
    found += [f"cgroup {directory}" for directory in group.existing()]
    found += [f"directory {directory}" for directory in (paths.run, data) if directory.exists()]
    return found


def _namespace_ids(paths: LabPaths) -> set[tuple[int, int]]:
    ids = set()
    for file in (paths.switch, paths.control):
        if file in mounts_below(paths.run):
            status = file.stat()
            ids.add((status.st_dev, status.st_ino))
    return ids


def _processes_in(namespaces: set[tuple[int, int]]) -> set[int]:
    """Return the processes in some network namespaces, such as a user's shell, which is in no cgroup of the lab."""
    found = set()
    for process in Path("/proc").iterdir() if namespaces else ():
        if not process.name.isdigit():
            continue
        try:
            status = os.stat(process / "ns" / "net")  # noqa: PTH116 - a magic link: its target is not a path
        except OSError:
            continue  # the process has exited meanwhile, or is a kernel thread
        if (status.st_dev, status.st_ino) in namespaces:
            found.add(int(process.name))
    return found


def _remove_if_empty(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError as used:
        _log.debug("%s stays: %s", directory, used)
