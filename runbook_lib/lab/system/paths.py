"""Where a lab keeps what it makes, and the locks around it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError, LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DATA", "RUN", "Places", "cache_directory", "lab_names", "locked", "mounts_below", "replace_text"]


def _own(variable: str, otherwise: Path) -> Path:
    """Return an ordinary user's place: as the XDG base directories have it."""
    given = os.environ.get(variable, "")
    return (Path(given) if given.startswith("/") else otherwise) / "runbook-lab"


RUN = (
    Path("/run/runbook-lab")
    if os.geteuid() == 0
    else _own("XDG_RUNTIME_DIR", Path.home() / ".local" / "state")
)
"""Where labs keep what describes them; an ordinary user has a directory of their own."""
DATA = (
    Path("/var/lib/runbook-lab")
    if os.geteuid() == 0
    else _own("XDG_DATA_HOME", Path.home() / ".local" / "share")
)
"""Where labs keep what their hosts write."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


def cache_directory() -> Path:
    """Return where built parts are kept: `$RUNBOOK_CACHE`, else `~/.cache/runbook`."""
    given = os.environ.get("RUNBOOK_CACHE")
    return Path(given).expanduser().absolute() if given else Path.home() / ".cache" / "runbook"


@dataclass(frozen=True)
class Places:
    """The files of one lab.

    `run` holds what describes the running lab and goes with a reboot of this machine; `data` the hosts' own
    files, on a real disk: an overlay cannot lie on an overlay.
    """

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError(
                f"{self.name!r} cannot name a lab", hint="use small letters, digits and '-', at most 31"
            )

    @property
    def run(self) -> Path:
        """State, namespaces, keys, logs."""
        return RUN / self.name

    @property
    def data(self) -> Path:
        """The hosts' writable layers; a running lab remembers where in a symbolic link.

        `$RUNBOOK_LAB_DATA` moves the next lab's to another disk.
        """
        remembered = self.run / "data"
        if remembered.is_symlink():
            return remembered.readlink()
        return Path(os.environ.get("RUNBOOK_LAB_DATA", DATA)).absolute() / self.name

    @property
    def state(self) -> Path:
        """What the lab consists of, written before it is made."""
        return self.run / "state.json"

    @property
    def switch(self) -> Path:
        """The namespace with one bridge for each VLAN."""
        return self.run / "namespaces" / "switch"

    @property
    def control(self) -> Path:
        """The namespace with this machine's end of the lab network."""
        return self.run / "namespaces" / "control"

    @property
    def ssh(self) -> Path:
        """Client key, known_hosts, ssh_config, and each host's own keys."""
        return self.run / "ssh"

    def log(self, part: str) -> Path:
        """The output of a service, or a host's console."""
        return self.run / "log" / f"{part}.log"

    def host_run(self, host: str) -> Path:
        """A host's part of `run`."""
        return self.run / "hosts" / host

    def host_data(self, host: str) -> Path:
        """A host's part of `data`."""
        return self.data / host

    @property
    def lock(self) -> Path:
        """Held by whoever changes the lab."""
        return RUN / f"{self.name}.lock"


def replace_text(file: Path, text: str) -> None:
    """Write a file so that readers, and a crash, find either the old text or the new one."""
    draft = file.with_name(f"{file.name}.new")
    with draft.open("w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    draft.rename(file)


def lab_names() -> list[str]:
    """Return the names of the labs that have a state directory on this machine."""
    return sorted(p.name for p in RUN.glob("*") if p.is_dir() and _NAME.fullmatch(p.name))


@contextlib.contextmanager
def locked(lock: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock; its file is gone afterwards.

    Args:
        lock: The lock's file.
        wait: Wait for whoever holds it; otherwise raise.

    Raises:
        LabError: Another process holds it and `wait` is false, or the place cannot be written to.
    """
    while True:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # whoever was last removed the empty directory
        except OSError as problem:
            raise LabError(
                f"cannot lock: {problem}", where=str(lock), hint="is this directory this user's own?"
            ) from problem
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            os.close(descriptor)
            raise LabError(
                "another process is at work on it", where=str(lock), hint="wait for it to end, then try again"
            ) from held
        # The one before us removed the file while we waited: our lock is on a file nobody else will open.
        if lock.exists() and lock.stat().st_ino == os.fstat(descriptor).st_ino:
            break
        os.close(descriptor)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)
        with contextlib.suppress(OSError):
            RUN.rmdir()


def mounts_below(*directories: Path) -> list[Path]:
    """Return the mount points at or below some directories, deepest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        target = Path(line.split()[4].encode().decode("unicode_escape"))
        if any(target == directory or directory in target.parents for directory in directories):
            found.append(target)
    return sorted(found, key=lambda path: len(path.parts), reverse=True)
