"""The package cache: apt-cacher-ng, shared by the labs of this machine, reachable in each control namespace.

apt-cacher-ng runs in this machine's own network, since it downloads packages, and opens no TCP port there:
it listens on a Unix socket. In the control namespace socat passes each connection to `in.acng`, apt-cacher-ng's
bridge from inetd to that socket.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runbook_lib.errors import LabError
from runbook_lib.lab.state import LabState
from runbook_lib.lab.system.apt_sources import debian_sources, machine_proxy
from runbook_lib.lab.system.cgroups import Cgroup, is_zombie
from runbook_lib.lab.system.directories import make_private
from runbook_lib.lab.system.paths import RUN, LabPaths, cache_directory, lab_names, locked
from runbook_lib.lab.system.subprocesses import listens, start_detached, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.lab.system.apt_sources import AptSource

__all__ = [
    "MIRROR_TIMEOUT",
    "PORT",
    "SUPPORT",
    "cache_socket",
    "service_name",
    "start_cache",
    "start_relay",
    "stop_unused_cache",
]

_log = logging.getLogger(__name__)
PORT = 3142
SUPPORT = Path("/usr/lib/apt-cacher-ng")
"""The directory of `in.acng`."""
MIRROR_TIMEOUT = 10
"""Seconds until the package cache gives up a mirror that is silent."""
_PROBE_TIMEOUT = 5.0  # seconds; without an answer from any repository, all labs go without new packages
_START_TIMEOUT = 30.0  # seconds
_EXEC_TIMEOUT = 5.0  # seconds until a process that was just started shows its command line, on a busy machine

# No Remap- lines: with them apt-cacher-ng chooses mirrors itself and can hang.
# In 3.7 port 0 does not turn TCP off; an address that no machine can have (240/4 is reserved, RFC 1112) does.
# Indexes count as fresh for a day and nothing expires: what was downloaded once is served again.
_CONFIGURATION = """\
CacheDir: {cache}
LogDir: {run}
SupportDir: {support}
SocketPath: {run}/socket
BindAddress: 240.0.0.1
ForeGround: 1
FreshIndexMaxAge: 86400
ExThreshold: 3650
Offlinemode: {offline}
NetworkTimeout: {timeout}
{proxy}
"""
# Every lab of this machine depends on it, so one that has crashed is started again.
_KEEP_RUNNING = """while :; do
  apt-cacher-ng -c "$1"
  echo "apt-cacher-ng has exited with $? and is started again"
  sleep 1
done"""


def service_name() -> str:
    """Return the name of the service for the current cache directory; not a possible lab name."""
    return f"_packages-{hashlib.sha256(str(cache_directory()).encode()).hexdigest()[:8]}"


def cache_socket(service: str) -> Path:
    """Return the socket that the package cache listens on.

    Args:
        service: Its name (`service_name`).
    """
    return RUN / service / "socket"


def start_cache(service: str, distribution: str) -> None:
    """Start the package cache if it is not running.

    If no repository is reachable, the cache starts in offline mode and serves what it has.

    Args:
        service: Its name (`service_name`).
        distribution: Debian's code name, such as `bookworm`; its repositories are tried.

    Raises:
        LabError: The cache does not start.
        RequirementError: This machine's apt has no Debian repository.
    """
    home = RUN / service
    with locked(RUN / f"{service}.lock"):
        if listens(cache_socket(service)):
            return
        group = Cgroup(service)
        group.kill()
        shutil.rmtree(home, ignore_errors=True)
        make_private(home)  # the URL of a proxy may have a password
        cache = cache_directory() / "packages"
        cache.mkdir(parents=True, exist_ok=True)
        proxy = machine_proxy()
        offline = not _any_reachable(debian_sources(distribution), proxy)
        if offline:
            _log.warning(
                "no package repository is reachable: the package cache serves only what it has stored"
            )
        text = _CONFIGURATION.format(
            cache=cache,
            run=home,
            support=SUPPORT,
            offline=int(offline),
            timeout=MIRROR_TIMEOUT,
            proxy=f"Proxy: {proxy}" if proxy else "",
        )
        (home / "acng.conf").write_text(text, encoding="utf-8")
        log = home / "output.log"
        start_detached("sh", "-c", _KEEP_RUNNING, "packages", home, cgroups=group.create(), log=log)
        try:
            wait_for(
                lambda: listens(cache_socket(service)) or None,
                "the package cache",
                timeout=_START_TIMEOUT,
                log=log,
            )
        except LabError:
            group.kill()
            raise


def stop_unused_cache(service: str) -> None:
    """Stop the package cache if no lab on this machine uses it.

    Args:
        service: Its name (`service_name`).
    """
    with locked(RUN / f"{service}.lock"):
        if any(_uses(name, service) for name in lab_names()):
            return
        group = Cgroup(service)
        group.kill()
        group.remove()
        shutil.rmtree(RUN / service, ignore_errors=True)


def _uses(lab: str, service: str) -> bool:
    """Return whether a lab uses the cache, or is about to."""
    try:
        state = LabState.load(LabPaths(lab).state)
    except LabError as unreadable:
        # Damaged, or of another version of this library: then the lab's processes show it.
        _log.debug("%s", unreadable.message)
        mark = os.fsencode(cache_socket(service))
        return any(_may_be_relay(pid, mark) for pid in Cgroup(lab).processes())
    return state is not None and state.packages == service


def _may_be_relay(pid: int, mark: bytes) -> bool:
    """Return whether a process has the mark in its command line, or never shows a command line."""

    def is_relay() -> bool | None:
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False  # the process has exited meanwhile
        if line or is_zombie(pid):
            return mark in line
        return None  # the process is in the middle of exec, or of its exit

    try:
        return wait_for(is_relay, f"the command line of process {pid}", timeout=_EXEC_TIMEOUT)
    except LabError:
        return True


def start_relay(paths: LabPaths, service: str, address: str, cgroups: Sequence[Path]) -> None:
    """Make the package cache reachable at `address`:3142 in the control namespace.

    Args:
        paths: The lab's files.
        service: The cache's name (`service_name`).
        address: Control's IP address.
        cgroups: Control groups to run in.

    Raises:
        LabError: The control groups cannot be joined.
    """
    start_detached(
        "nsenter",
        f"--net={paths.control}",
        "socat",
        f"TCP4-LISTEN:{PORT},bind={address},fork,reuseaddr",
        f"EXEC:{SUPPORT}/in.acng {cache_socket(service)},nofork",
        cgroups=cgroups,
        log=paths.log("packages"),
    )


def _any_reachable(sources: Sequence[AptSource], proxy: str | None) -> bool:
    """Return whether any repository, or the proxy if there is one, accepts TCP connections."""
    endpoints = {source.endpoint for source in sources}
    if proxy:
        parts = urlsplit(proxy)
        endpoints = {(parts.hostname or "", parts.port or 80)}

    def connects(endpoint: tuple[str, int]) -> bool:
        try:
            socket.create_connection(endpoint, timeout=_PROBE_TIMEOUT).close()
        except OSError:
            return False
        return True

    with ThreadPoolExecutor() as threads:
        return any(threads.map(connects, endpoints))
