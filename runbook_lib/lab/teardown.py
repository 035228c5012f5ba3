"""End a lab, whoever began it and however far it got, and prove that nothing is left."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import LabError
from runbook_lib.lab.inventory_file import remove_inventory
from runbook_lib.lab.services.package_cache import end_unused_cache, service_name
from runbook_lib.lab.state import LabState
from runbook_lib.lab.system.build_cache import end_abandoned_builds
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.paths import mounts_below
from runbook_lib.lab.system.subprocesses import run

if TYPE_CHECKING:
    from runbook_lib.lab.system.paths import Places

__all__ = ["end_lab", "remains"]

_log = logging.getLogger(__name__)


def end_lab(places: Places) -> bool:
    """End everything a lab consists of; what is already gone does not matter.

    Returns:
        False if there was nothing.

    Raises:
        LabError: Something is left; it is named.
    """
    there = places.run.exists() or places.data.exists() or bool(Cgroup(places.name).existing())
    if not there:
        return False
    try:
        state = LabState.load(places.state)
    except LabError as damaged:
        _log.warning("%s; ending what can be found by the lab's name", damaged.message)
        state = None
    if state:
        state.phase = "ending"
        state.save(places)
    data = places.data
    namespaces = _namespace_ids(places)
    group = Cgroup(places.name)
    group.kill()
    for target in mounts_below(places.run, data):
        run("umount", target, what="unmount what the lab mounted")
    group.remove()
    if state:
        remove_inventory(places.name, Path(state.inventory))
    shutil.rmtree(data, ignore_errors=True)
    _remove_if_empty(data.parent)
    # Last: as long as these files are there, the next command knows that there is something to end.
    shutil.rmtree(places.run, ignore_errors=True)
    end_abandoned_builds()
    end_unused_cache(state.packages if state else service_name())
    left = remains(places, data, namespaces)
    if left:
        raise LabError(
            f"could not be ended; left are: {'; '.join(left)}",
            where=f"lab {places.name}",
            hint="end what uses them, then `runbook lab down` again",
        )
    return True


def remains(places: Places, data: Path, namespaces: set[tuple[int, int]]) -> list[str]:
    """Look for anything of a lab on this machine.

    Args:
        places: The lab's places.
        data: Where the hosts' files were.
        namespaces: Device and inode of the network namespaces the lab had.

    Returns:
        One phrase for each thing found; empty when the machine is as before the lab.
    """
    group = Cgroup(places.name)
    found = [f"process {pid}" for pid in sorted(group.processes() | _inside(namespaces))]
    found += [f"mount {target}" for target in mounts_below(places.run, data)]
    found += [f"cgroup {directory}" for directory in group.existing()]
    found += [f"directory {directory}" for directory in (places.run, data) if directory.exists()]
    return found


def _namespace_ids(places: Places) -> set[tuple[int, int]]:
    ids = set()
    for file in (places.switch, places.control):
        if file in mounts_below(places.run):
            status = file.stat()
            ids.add((status.st_dev, status.st_ino))
    return ids


def _inside(namespaces: set[tuple[int, int]]) -> set[int]:
    """Return the processes in some network namespaces, such as a user's shell outside our cgroups."""
    found = set()
    for process in Path("/proc").iterdir() if namespaces else ():
        if not process.name.isdigit():
            continue
        try:
            status = os.stat(process / "ns" / "net")  # noqa: PTH116 - a magic link: its target is not a path
        except OSError:
            continue  # it ended while we looked, or is a kernel thread's
        if (status.st_dev, status.st_ino) in namespaces:
            found.add(int(process.name))
    return found


def _remove_if_empty(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError as used:
        _log.debug("%s stays: %s", directory, used)
