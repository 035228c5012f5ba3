"""Control groups, by which every process of a lab is found, whatever happened to the process that started it.

A process joins the lab's groups before its program starts, and its descendants are in them from the start.
systemd-nspawn makes the group the root of a container's own hierarchy, so groups that Docker creates in the
container are below it too.

An ordinary user may not create control groups. Such a user's groups are plain directories, and the path of one, in
the environment variable `RUNBOOK_LAB_GROUP`, marks a process and its descendants (see `subprocesses.in_cgroups`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from pathlib import Path

from runbook_lib import grace_periods
from runbook_lib.errors import LabError
from runbook_lib.lab.system.directories import make_directory
from runbook_lib.lab.system.paths import RUN

__all__ = ["Cgroup", "hierarchies", "inner_pids", "is_zombie"]

_log = logging.getLogger(__name__)
_PREFIX = "runbook-lab."
_MARK = b"RUNBOOK_LAB_GROUP="


def hierarchies() -> list[Path]:
    """Return where this machine's cgroup hierarchies are mounted: one with v2, several with v1.

    For an ordinary user it is the directory of that user's own groups.

    Raises:
        LabError: No hierarchy is mounted, or none is writable.
    """
    if os.geteuid() != 0:
        return [RUN / "_groups"]
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, target, kind, options, *_ = line.split()
        if kind in {"cgroup", "cgroup2"} and "rw" in options.split(","):
            found.setdefault(target, Path(target))
    if not found:
        raise LabError(
            "no writable cgroup hierarchy is mounted",
            hint="in a container: docker run --privileged --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup …",
        )
    return list(found.values())


class Cgroup:
    """One group of processes, at the same path in every hierarchy.

    Args:
        name: Name of the lab, or of the service that labs share.
        part: Path of a group inside it; the whole lab without it.
    """

    def __init__(self, name: str, part: str = "") -> None:
        self._path = Path(_PREFIX + name) / part

    @staticmethod
    def names(prefix: str) -> list[str]:
        """Return the names of the existing groups that begin with a prefix.

        Args:
            prefix: The beginning of the names.
        """
        found = {top.name for root in hierarchies() for top in root.glob(f"{_PREFIX}{prefix}*")}
        return sorted(name.removeprefix(_PREFIX) for name in found)

    @property
    def directories(self) -> list[Path]:
        """The group's directory in each hierarchy, whether or not it exists."""
        return [root / self._path for root in hierarchies()]

    def existing(self) -> list[Path]:
        """Return those of the group's directories that exist."""
        return [directory for directory in self.directories if directory.is_dir()]

    def create(self) -> list[Path]:
        """Make the group ready to be in_cgroups, and return its directories."""
        for root in hierarchies():
            parent = root
            for part in self._path.parts:
                _enable_controllers(parent)
                parent = parent / part
                make_directory(parent)
                _fill_cpuset(parent)
        return self.directories

    def processes(self) -> set[int]:
        """Return the ids of the processes in the group and in the groups below it."""
        if os.geteuid() != 0:
            return {pid for directory in self.directories for pid in _marked(directory)}
        found: set[int] = set()
        for directory in self.existing():
            for base, _, _ in os.walk(directory):
                try:
                    text = (Path(base) / "cgroup.procs").read_text(encoding="ascii")
                except (FileNotFoundError, OSError):
                    continue  # the group has been removed meanwhile, or is a threaded v2 group
                found |= {int(pid) for pid in text.split() if pid != "0"}
        return found

    def kill(self) -> None:
        """Send SIGKILL to every process in the group and below, the init processes of containers included.

        Raises:
            LabError: Processes still exist after 10 s.
        """
        end = time.monotonic() + grace_periods.CGROUP_KILL
        killed: set[int] = set()
        while left := self.processes():
            killed |= left
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if time.monotonic() > end:
                raise LabError(
                    f"processes survive SIGKILL: {sorted(left)}",
                    where=str(self._path),
                    hint="see `ps -l` for their state",
                )
            time.sleep(0.02)
        # Zombies stay in the process list until this machine's init reaps them; we do not insist that it does.
        end = time.monotonic() + grace_periods.CGROUP_REAP
        while time.monotonic() < end and any(is_zombie(pid) for pid in killed):
            time.sleep(0.02)

    def remove(self) -> None:
        """Remove the group and all groups below it, except those that the kernel does not release within 5 s."""
        end = time.monotonic() + grace_periods.CGROUP_REMOVE
        for directory in self.existing():
            while directory.exists() and time.monotonic() < end:
                for base, _, _ in os.walk(directory, topdown=False):
                    try:
                        Path(base).rmdir()
                    except OSError as busy:
                        _log.debug("%s is still busy: %s", base, busy)
                if directory.exists():
                    time.sleep(0.05)
        if os.geteuid() != 0:
            _remove_if_empty(*hierarchies())


def is_zombie(pid: int) -> bool:
    """Return whether a process has exited and waits to be reaped by its parent.

    Args:
        pid: The process id.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] == "Z"


def _marked(group: Path) -> set[int]:
    """Return the running processes whose environment has the mark of a group, or of a group below it."""
    mark = _MARK + os.fsencode(group)
    found = set()
    for process in Path("/proc").iterdir():
        try:
            variables = (process / "environ").read_bytes().split(b"\0") if process.name.isdigit() else []
        except OSError:
            continue  # another user's process, or it has exited meanwhile
        if any(variable == mark or variable.startswith(mark + b"/") for variable in variables):
            found.add(int(process.name))
    return {pid for pid in found if not is_zombie(pid)}


def _remove_if_empty(*directories: Path) -> None:
    for directory in directories:
        with contextlib.suppress(OSError):
            directory.rmdir()


def _fill_cpuset(directory: Path) -> None:
    """Give a new v1 cpuset its parent's CPUs and memory: no process can join an empty cpuset."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = directory / name
        if (directory / "cgroup.clone_children").exists() and file.exists() and not file.read_text().strip():
            file.write_text((directory.parent / name).read_text())
    clone = directory / "cgroup.clone_children"
    if (directory / "cpuset.cpus").exists() and clone.exists():
        clone.write_text("1")


def _enable_controllers(directory: Path) -> None:
    """Enable all of a v2 group's controllers for the groups below: Docker in a container limits memory with them."""
    subtree = directory / "cgroup.subtree_control"
    if not subtree.exists():
        return
    for controller in (directory / "cgroup.controllers").read_text().split():
        try:
            subtree.write_text(f"+{controller}")
        except OSError as refused:
            _log.debug("%s: cannot enable the controller %s below: %s", directory, controller, refused)


def inner_pids(pid: int) -> list[int]:
    """Return the ids of a process in the process namespaces inside of this one, the outermost first.

    Args:
        pid: Its id in this one.

    Returns:
        Empty for a process of this machine's own namespace, or one that has exited.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    numbers = next((line.split()[2:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return [*map(int, numbers)]
