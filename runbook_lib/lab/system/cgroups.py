"""Control groups: how every process of a lab is found again, whatever became of the one that started it.

A process joins the lab's groups before its program starts, and so do all its descendants. systemd-nspawn
gives a host's own init a view that begins here, so what Docker creates inside lies below too.

An ordinary user may make no control groups. Their groups are plain directories, and the path of one, in the
environment variable `RUNBOOK_LAB_GROUP`, marks a process and its descendants (see `programs.joined`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from pathlib import Path

from runbook_lib.errors import LabError
from runbook_lib.lab.system.paths import RUN

__all__ = ["Cgroup", "hierarchies", "is_zombie"]

_log = logging.getLogger(__name__)
_PREFIX = "runbook-lab."
_MARK = b"RUNBOOK_LAB_GROUP="
_PATIENCE = 10.0  # seconds for killed processes to be dead
_REAPING = 2.0  # seconds for init to take note


def hierarchies() -> list[Path]:
    """Return where this machine's cgroup hierarchies are mounted: one with v2, several with v1.

    For an ordinary user: the directory of their own groups.

    Raises:
        LabError: None is mounted, or none can be written to.
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
    """One group of processes, the same path in every hierarchy.

    Args:
        name: The lab's (or the shared service's) name.
        part: A group inside it; the whole without it.
    """

    def __init__(self, name: str, part: str = "") -> None:
        self._path = Path(_PREFIX + name) / part

    @staticmethod
    def names(prefix: str) -> list[str]:
        """Return the names, beginning with `prefix`, of groups that exist now."""
        found = {top.name for root in hierarchies() for top in root.glob(f"{_PREFIX}{prefix}*")}
        return sorted(name.removeprefix(_PREFIX) for name in found)

    @property
    def directories(self) -> list[Path]:
        """Where the group is, or would be, in each hierarchy."""
        return [root / self._path for root in hierarchies()]

    def existing(self) -> list[Path]:
        """The group's directories that exist now."""
        return [directory for directory in self.directories if directory.is_dir()]

    def create(self) -> list[Path]:
        """Make the group ready to be joined, and return its directories."""
        for root in hierarchies():
            parent = root
            for step in self._path.parts:
                _hand_down_controllers(parent)
                parent = parent / step
                parent.mkdir(exist_ok=True, parents=True)
                _fill_cpuset(parent)
        return self.directories

    def processes(self) -> set[int]:
        """Return the process ids in the group and below."""
        if os.geteuid() != 0:
            return {pid for directory in self.directories for pid in _marked(directory)}
        found: set[int] = set()
        for directory in self.existing():
            for base, _, _ in os.walk(directory):
                try:
                    text = (Path(base) / "cgroup.procs").read_text(encoding="ascii")
                except (FileNotFoundError, OSError):
                    continue  # the group went away while we walked, or is a v2 domain of threads
                found |= {int(pid) for pid in text.split() if pid != "0"}
        return found

    def kill(self) -> None:
        """End every process in the group and below with SIGKILL, the namespaces' own init included.

        Raises:
            LabError: Some are still there after 10 s.
        """
        end = time.monotonic() + _PATIENCE
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
        # The dead stay in the process list until this machine's init looks; one that never does is not ours.
        end = time.monotonic() + _REAPING
        while time.monotonic() < end and any(is_zombie(pid) for pid in killed):
            time.sleep(0.02)

    def remove(self) -> None:
        """Remove the group and everything below it, as far as the kernel lets go of it within 5 s."""
        end = time.monotonic() + 5
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
    """Tell whether a process is dead and only waits for its parent to take note."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] == "Z"


def _marked(group: Path) -> set[int]:
    """Return the living processes that bear the mark of a group or of one below it."""
    mark = _MARK + os.fsencode(group)
    found = set()
    for process in Path("/proc").iterdir():
        try:
            variables = (process / "environ").read_bytes().split(b"\0") if process.name.isdigit() else []
        except OSError:
            continue  # another user's, or it ended while we looked
        if any(variable == mark or variable.startswith(mark + b"/") for variable in variables):
            found.add(int(process.name))
    return {pid for pid in found if not is_zombie(pid)}


def _remove_if_empty(*directories: Path) -> None:
    for directory in directories:
        with contextlib.suppress(OSError):
            directory.rmdir()


def _fill_cpuset(directory: Path) -> None:
    """Give a new v1 cpuset its parent's CPUs and memory: nothing may join an empty one."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = directory / name
        if (directory / "cgroup.clone_children").exists() and file.exists() and not file.read_text().strip():
            file.write_text((directory.parent / name).read_text())
    clone = directory / "cgroup.clone_children"
    if (directory / "cpuset.cpus").exists() and clone.exists():
        clone.write_text("1")


def _hand_down_controllers(directory: Path) -> None:
    """Let v2 groups below have the controllers this one has; Docker in a host limits memory with them."""
    subtree = directory / "cgroup.subtree_control"
    if not subtree.exists():
        return
    for controller in (directory / "cgroup.controllers").read_text().split():
        try:
            subtree.write_text(f"+{controller}")
        except OSError as refused:
            _log.debug("%s keeps %s: %s", directory, controller, refused)
