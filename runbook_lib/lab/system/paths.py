"""Where a lab's files are, and the locks that protect them."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from runbook_lib import file_lock
from runbook_lib.errors import InputError, LabError
from runbook_lib.project import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "DATA",
    "RUN",
    "LabPaths",
    "cache_directory",
    "check_data",
    "lab_names",
    "locked",
    "make_directory",
    "make_private",
]


def _user_directory(variable: str, default: Path) -> Path:
    """Return an ordinary user's directory (XDG base directory specification: a relative path is ignored)."""
    given = os.environ.get(variable, "")
    return (Path(given) if given.startswith("/") else default) / "runbook-lab"


RUN = (
    Path("/run/runbook-lab")
    if os.geteuid() == 0
    else _user_directory("XDG_RUNTIME_DIR", Path.home() / ".local" / "state")
)
"""Directory of the labs' state; each ordinary user has one."""
DATA = (
    Path("/var/lib/runbook-lab")
    if os.geteuid() == 0
    else _user_directory("XDG_DATA_HOME", Path.home() / ".local" / "share")
)
"""Directory of what the labs' hosts write."""
_ATTEMPTS = 1000  # some 20 ms; of four processes that do nothing else, one needed at most 5
T = TypeVar("T")
_MARK = ".runbook-lab"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


def cache_directory() -> Path:
    """Return the directory of the build cache: `$RUNBOOK_CACHE`, else `~/.cache/runbook`."""
    given = os.environ.get("RUNBOOK_CACHE")
    return expanded(given).absolute() if given else Path.home() / ".cache" / "runbook"


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
        return Path(os.environ.get("RUNBOOK_LAB_DATA", DATA)).absolute() / self.name

    @property
    def owns_data(self) -> bool:
        """Whether `data` is a lab's, to be used and removed: in `$RUNBOOK_LAB_DATA` others may have a directory of it.

        A lab that is running has a link to it; one that was lost when this machine rebooted has left its mark.
        """
        data = self.data
        if (self.run / "data").is_symlink() or data.parent == DATA:
            return True
        try:
            return not data.exists() or (data / _MARK).exists() or not any(data.iterdir())
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
        InputError: There is such a directory.
    """
    if not paths.owns_data:
        raise InputError(
            "the hosts' files would be in a directory that no lab has made",
            where=str(paths.data),
            hint="set RUNBOOK_LAB_DATA to a directory of the labs' own, or use another --name",
        )


def lab_names() -> list[str]:
    """Return the names of the labs that have a state directory on this machine."""
    return sorted(p.name for p in RUN.glob("*") if p.is_dir() and _NAME.fullmatch(p.name))


def make_directory(directory: Path, mode: int = 0o777) -> None:
    """Make a directory, with its parents, unless it exists; other processes may remove empty parents meanwhile.

    Args:
        directory: The directory.
        mode: Its permissions, if it is new.

    Raises:
        OSError: It cannot be made.
    """
    _despite_removals(lambda: directory.mkdir(mode=mode, parents=True, exist_ok=True))


def make_private(directory: Path) -> None:
    """Make a directory that only its owner can enter, with its parents; one that exists becomes such a directory.

    A practice host's files are below: its root may make a program setuid, and no user of this machine may run that.

    Args:
        directory: The directory.

    Raises:
        LabError: It cannot be made.
    """
    try:
        make_directory(directory, 0o700)
        directory.chmod(0o700)
    except OSError as problem:
        raise LabError(
            f"a directory cannot be made: {problem}",
            where=str(directory),
            hint="check that this user owns the directory above",
        ) from problem


@contextlib.contextmanager
def locked(lock: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock during a `with` block; afterwards the lock file is removed, and its directory if empty.

    Args:
        lock: The lock file.
        wait: Whether to wait while another process holds the lock.

    Raises:
        LabError: Another process holds the lock and `wait` is false, or the file cannot be created.
    """
    while True:
        try:
            descriptor = _despite_removals(lambda: _open_lock(lock))
        except OSError as problem:
            raise LabError(
                f"the lock file cannot be created: {problem}",
                where=str(lock),
                hint="check that this user owns the directory",
            ) from problem
        if not file_lock.acquire(descriptor, wait=wait):
            os.close(descriptor)
            raise LabError(
                "another process holds the lock",
                where=str(lock),
                hint="wait for that process to exit, then try again",
            )
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


def _despite_removals(make: Callable[[], T]) -> T:
    """Return what `make` returns, which makes something in directories that other processes remove when empty.

    A directory that `make` has found, or has just made, can be gone in its next call of the system: then `make` is
    called again. A path that cannot be made at all gives the same errors, so it is not called for ever.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            return make()
    return make()
