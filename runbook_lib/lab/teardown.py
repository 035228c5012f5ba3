"""End a lab in whatever state a command left it, and check that nothing remains."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import LabError
from runbook_lib.lab.command_lines import name_option
from runbook_lib.lab.inventory_file import remove_inventory
from runbook_lib.lab.services.package_cache import service_name, stop_unused_cache
from runbook_lib.lab.state import LabState
from runbook_lib.lab.system.build_cache import remove_abandoned_builds
from runbook_lib.lab.system.cgroups import Cgroup, inner_pids
from runbook_lib.lab.system.mounts import mounts_below, unmount
from runbook_lib.lab.system.paths import DATA
from runbook_lib.process_identity import start_ticks

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
    state = _ending_state(paths)
    data = paths.data
    group = Cgroup(paths.name)
    # Before the kill: once a namespace is gone, the kernel gives its number to the next one, of another lab.
    strangers = _strangers(paths, group) | (state.strangers if state else {})
    group.kill()
    for target in mounts_below(paths.run, data):
        unmount(target, "unmount a file system of the lab")
    group.remove()
    if state:
        remove_inventory(paths.name, Path(state.inventory))
    if owns_data:
        _remove_data(paths)
    strangers = {pid: started for pid, started in strangers.items() if start_ticks(int(pid)) == started}
    left = leftovers(paths, data if owns_data else paths.run, {int(pid) for pid in strangers})
    # While this directory exists, the next command knows that the lab is to be ended, and what was in its namespaces.
    if state and strangers:
        state.strangers = strangers
        state.save(paths)
    elif left == [f"directory {paths.run}"]:
        shutil.rmtree(paths.run, ignore_errors=True)
        left = leftovers(paths, paths.run, set())
    remove_abandoned_builds()
    stop_unused_cache(state.packages if state else service_name())
    if left:
        raise LabError(
            f"the lab could not be ended completely; remaining: {'; '.join(left)}",
            where=f"lab {paths.name}",
            hint=f"end what uses them, then run `runbook lab down{name_option(paths.name)}` again",
        )
    return True


def _ending_state(paths: LabPaths) -> LabState | None:
    """Return the lab's state, after writing that the lab is being ended; None if it is missing or damaged."""
    try:
        state = LabState.load(paths.state)
    except LabError as damaged:
        _log.warning("%s; ending everything that has the lab's name", damaged.message)
        return None
    if state:
        state.phase = "ending"
        state.save(paths)
    return state


def _remove_data(paths: LabPaths) -> None:
    data = paths.data
    shutil.rmtree(data, ignore_errors=True)
    if data.is_dir():  # something uses it: a later command is to find whose it is
        paths.make_data()
    if data.parent == DATA:  # another one is the user's, who made it or named it
        _remove_if_empty(data.parent)


def leftovers(paths: LabPaths, data: Path, strangers: set[int]) -> list[str]:
    """Return everything of a lab that still exists on this machine.

    Args:
        paths: The lab's files.
        data: Where the hosts' files were.
        strangers: Processes in the lab's namespaces that are in none of its control groups.

    Returns:
        One phrase per process, mount, control group and directory; empty if nothing remains.
    """
    group = Cgroup(paths.name)
    found = [f"process {pid}" for pid in sorted(group.processes() | strangers)]
    found += [f"mount {target}" for target in mounts_below(paths.run, data)]
    found += [f"cgroup {directory}" for directory in group.existing()]
    found += [f"directory {directory}" for directory in (paths.run, data) if directory.exists()]
    return found


def _namespace_ids(paths: LabPaths, group: Cgroup) -> set[tuple[int, int]]:
    """Return the namespaces of the switch, of control, and of the containers, whose mounts are a host's files."""
    ids = {_id(file) for file in (paths.switch, paths.control) if file in mounts_below(paths.run)}
    for pid in group.processes():
        if inner_pids(pid):
            ids |= _namespaces_of(pid)
    return ids - _namespaces_of(os.getpid())


def _strangers(paths: LabPaths, group: Cgroup) -> dict[str, int]:
    """Return the processes in the lab's namespaces that are in none of its cgroups, such as a user's shell.

    Returns:
        Process id -> start time, as in the lab's state.
    """
    namespaces = _namespace_ids(paths, group)
    if not namespaces:
        return {}
    processes = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found = (pid for pid in processes - group.processes() if namespaces & _namespaces_of(pid))
    return {str(pid): started for pid in found if (started := start_ticks(pid))}


def _namespaces_of(pid: int) -> set[tuple[int, int]]:
    """Return the network and the mount namespace of a process; none if it has exited, or is another user's."""
    try:
        return {_id(Path(f"/proc/{pid}/ns/{kind}")) for kind in ("net", "mnt")}
    except OSError:
        return set()


def _id(namespace: Path) -> tuple[int, int]:
    status = os.stat(namespace)  # noqa: PTH116 - a magic link: its target is not a path
    return status.st_dev, status.st_ino


def _remove_if_empty(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError as used:
        _log.debug("%s stays: %s", directory, used)
