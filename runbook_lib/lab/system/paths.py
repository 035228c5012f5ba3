"""Where a lab's files are, and the locks that protect them."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib import file_lock
from runbook_lib.errors import InputError, LabError
from runbook_lib.lab.system.directories import despite_removals, is_own, make_private
from runbook_lib.project import expanded

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DATA",
    "RUN",
    "LabPaths",
    "cache_directory",
    "changing",
    "check_data",
    "lab_names",
    "locked",
]


def _home(*parts: str) -> Path:
    """Return a directory in the user's home directory.

    Raises:
        InputError: The user has none, as in a container whose user is a bare number.
    """
    try:
        return Path.home().joinpath(*parts)
    except RuntimeError as unknown:
        raise InputError(
            "this user has no home directory", hint="set the variable HOME to a directory of this user"
        ) from unknown


def _user_directory(variable: str, *default: str) -> Path:
    """Return an ordinary user's directory (XDG base directory specification: a relative path is ignored)."""
    given = os.environ.get(variable, "")
    return (Path(given) if given.startswith("/") else _home(*default)) / "runbook-lab"


RUN = Path("/run/runbook-lab") if os.geteuid() == 0 else _user_directory("XDG_RUNTIME_DIR", ".local", "state")
"""Directory of the labs' state; each ordinary user has one."""
DATA = (
    Path("/var/lib/runbook-lab") if os.geteuid() == 0 else _user_directory("XDG_DATA_HOME", ".local", "share")
)
"""Directory of what the labs' hosts write."""
_log = logging.getLogger(__name__)
_MARK = ".runbook-lab"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


def cache_directory() -> Path:
    """Return the directory of the build cache: `$RUNBOOK_CACHE`, else `~/.cache/runbook`."""
    return _given_directory("RUNBOOK_CACHE") or _home(".cache", "runbook")


def _given_directory(variable: str) -> Path | None:
    """Return the directory that a person has set by a variable; empty is as good as not set."""
    given = os.environ.get(variable)
    return expanded(given).absolute() if given else None


@dataclass(frozen=True)
class LabPaths:
    """The files of one lab.

    `run` has the state of the running lab, which is lost when this machine reboots. `data` has the hosts' own files,
    which must be on a real disk: an overlay cannot be stored in an overlay.

    Args:
        name: The lab's name.

    Raises:
        InputError: The name is not allowed.
    """

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError(
                f"{self.name!r} cannot be a lab's name",
                hint="use lowercase letters, digits and '-', at most 31 characters",
            )

    @property
    def run(self) -> Path:
        """Directory of state, namespaces, keys and logs."""
        return RUN / self.name

    @property
    def data(self) -> Path:
        """Directory of the hosts' writable layers; a running lab has a symbolic link to it in `run`.

        `$RUNBOOK_LAB_DATA` sets another directory for labs that are brought up from then on.
        """
        link = self.run / "data"
        if link.is_symlink():
            return link.readlink()
        return (_given_directory("RUNBOOK_LAB_DATA") or DATA) / self.name

    @property
    def owns_data(self) -> bool:
        """Whether `data` is a lab's, to be used and removed: in `$RUNBOOK_LAB_DATA` others may have a directory of it.

        A lab that is running has a link to it; one that was lost when this machine rebooted has left its mark.
        """
        data = self.data
        if (self.run / "data").is_symlink() or data.parent == DATA:
            return True
        try:
            return (data / _MARK).exists() and is_own(data)
        except OSError:
            return False

    def make_data(self) -> None:
        """Make `data`, with the mark of a lab.

        Raises:
            LabError: It cannot be made.
        """
        make_private(self.data)
        (self.data / _MARK).touch()

    @property
    def state(self) -> Path:
        """The state file (`LabState`)."""
        return self.run / "state.json"

    @property
    def switch(self) -> Path:
        """The network namespace of the switch, with one bridge per VLAN."""
        return self.run / "namespaces" / "switch"

    @property
    def control(self) -> Path:
        """The network namespace of control, this machine's end of the lab network."""
        return self.run / "namespaces" / "control"

    @property
    def ssh(self) -> Path:
        """Directory of the client's key, known_hosts, ssh_config, and each host's keys."""
        return self.run / "ssh"

    @property
    def tls(self) -> Path:
        """Directory of the lab's certificates, if it has an object store."""
        return self.run / "tls"

    def log(self, part: str) -> Path:
        """Return the log file of a service's output or of a host's console.

        Args:
            part: Name of the service or the host.
        """
        return self.run / "log" / f"{part}.log"

    def host_run(self, host: str) -> Path:
        """Return a host's directory in `run`.

        Args:
            host: The host's name.
        """
        return self.run / "hosts" / host

    def host_data(self, host: str) -> Path:
        """Return a host's directory in `data`.

        Args:
            host: The host's name.
        """
        return self.data / host

    @property
    def lock(self) -> Path:
        """The lock file that a command holds while it changes the lab."""
        return RUN / f"{self.name}.lock"


def check_data(paths: LabPaths) -> None:
    """Refuse a directory for the hosts' files that no lab has made: it would be removed with the lab.

    Raises:
        InputError: There is such a directory. An empty one of this user can be used.
    """
    data = paths.data
    try:
        usable = not os.path.lexists(data) or paths.owns_data or (is_own(data) and not any(data.iterdir()))
    except OSError:
        usable = False
    if not usable:
        raise InputError(
            "the hosts' files would be in a directory that no lab has made",
            where=str(data),
            hint="set RUNBOOK_LAB_DATA to a directory of the labs' own, or use another --name",
        )


def lab_names() -> list[str]:
    """Return the names of the labs that have a state directory on this machine."""
    return sorted(p.name for p in RUN.glob("*") if p.is_dir() and _NAME.fullmatch(p.name))


@contextlib.contextmanager
def changing(paths: LabPaths) -> Iterator[None]:
    """Hold a lab's lock during a `with` block that changes the lab; a warning says that another command holds it.

    Args:
        paths: The lab's files.

    Raises:
        LabError: A file cannot be read or written in the block, as on a full disk, or the lock cannot be created.
    """
    waiting = f"lab {paths.name}: waiting for another command that is changing the lab"
    try:
        with locked(paths.lock, waiting=waiting):
            yield
    except OSError as problem:
        raise LabError(
            f"a file of the lab cannot be used: {problem.strerror or problem}",
            where=str(problem.filename or f"lab {paths.name}"),
            hint="check the disks' free space and permissions; `runbook lab status` shows what the lab consists of",
        ) from problem


@contextlib.contextmanager
def locked(lock: Path, *, wait: bool = True, waiting: str = "") -> Iterator[None]:
    """Hold an exclusive lock during a `with` block; afterwards the lock file is removed, and its directory if empty.

    Args:
        lock: The lock file.
        wait: Whether to wait while another process holds the lock.
        waiting: What the log is to say in that case.

    Raises:
        LabError: Another process holds the lock and `wait` is false, or the file cannot be created.
    """
    while True:
        try:
            descriptor = despite_removals(lambda: _open_lock(lock))
        except OSError as problem:
            raise LabError(
                f"the lock file cannot be created: {problem}",
                where=str(lock),
                hint="check that this user owns the directory",
            ) from problem
        if not file_lock.acquire(descriptor, wait=False):
            if not wait:
                os.close(descriptor)
                raise LabError(
                    "another process holds the lock",
                    where=str(lock),
                    hint="wait for that process to exit, then try again",
                )
            if waiting:
                _log.warning("%s", waiting)
            file_lock.acquire(descriptor)
        # If the previous holder removed the file while we waited, we locked a file that nobody else will open.
        if _is_open_as(lock, descriptor):
            break
        os.close(descriptor)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)
        with contextlib.suppress(OSError):  # other files are in it
            lock.parent.rmdir()


def _open_lock(lock: Path) -> int:
    lock.parent.mkdir(parents=True, exist_ok=True)
    return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _is_open_as(path: Path, descriptor: int) -> bool:
    """Return whether a path still leads to the file that is open."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))  # noqa: PTH116 - next to fstat
    except FileNotFoundError:
        return False
