"""The package cache: apt-cacher-ng, shared by the labs of this machine, offered in each control namespace.

apt-cacher-ng runs in this machine's own network, since it fetches from outside, and opens no TCP port there:
it listens on a Unix socket. In the control namespace socat hands each connection to `in.acng`, Debian's own
bridge from inetd to that socket.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runbook_lib.errors import LabError
from runbook_lib.lab.state import LabState
from runbook_lib.lab.system.apt_sources import debian_sources, machine_proxy
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.paths import RUN, Places, cache_directory, lab_names, locked
from runbook_lib.lab.system.subprocesses import launch, listens, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.lab.system.apt_sources import AptSource

__all__ = [
    "PORT",
    "SUPPORT",
    "cache_socket",
    "end_unused_cache",
    "service_name",
    "start_cache",
    "start_relay",
]

_log = logging.getLogger(__name__)
PORT = 3142
SUPPORT = Path("/usr/lib/apt-cacher-ng")
"""Where `in.acng` is."""
_PROBE_TIMEOUT = 2.0  # seconds

# No Remap- lines: with them apt-cacher-ng picks mirrors of its own and can hang.
# Port 0 does not turn TCP off in 3.7; an address no machine can have (240/4 is reserved, RFC 1112) does.
# Indexes count as fresh for a day and nothing expires: what was fetched once is served again.
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
{proxy}
"""


def service_name() -> str:
    """Return the name of the service for the cache directory in use; no lab can have it."""
    return f"_packages-{hashlib.sha256(str(cache_directory()).encode()).hexdigest()[:8]}"


def cache_socket(service: str) -> Path:
    """Return the socket that the package cache listens on, for `in.acng`."""
    return RUN / service / "socket"


def start_cache(service: str, distribution: str) -> None:
    """Start the package cache unless it runs already.

    Without any of the repositories in reach it starts in offline mode and serves what it has.

    Raises:
        LabError: It does not start.
    """
    home = RUN / service
    with locked(RUN / f"{service}.lock"):
        if listens(cache_socket(service)):
            return
        group = Cgroup(service)
        group.kill()
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        cache = cache_directory() / "packages"
        cache.mkdir(parents=True, exist_ok=True)
        proxy = machine_proxy()
        offline = not _in_reach(debian_sources(distribution), proxy)
        if offline:
            _log.warning("no package repository in reach: the package cache serves what it has")
        text = _CONFIGURATION.format(
            cache=cache,
            run=home,
            support=SUPPORT,
            offline=int(offline),
            proxy=f"Proxy: {proxy}" if proxy else "",
        )
        (home / "acng.conf").write_text(text, encoding="utf-8")
        log = home / "output.log"
        launch("apt-cacher-ng", "-c", home, cgroups=group.create(), log=log)
        wait_for(lambda: listens(cache_socket(service)) or None, "the package cache", timeout=10, log=log)


def end_unused_cache(service: str) -> None:
    """End the package cache if no lab on this machine uses it."""
    with locked(RUN / f"{service}.lock"):
        for name in lab_names():
            # A lab that died before it wrote its state uses nothing.
            with contextlib.suppress(LabError):
                state = LabState.load(Places(name).state)
                if state and state.packages == service:
                    return
        group = Cgroup(service)
        group.kill()
        group.remove()
        shutil.rmtree(RUN / service, ignore_errors=True)


def start_relay(places: Places, service: str, address: str, cgroups: Sequence[Path]) -> None:
    """Offer the package cache at `address`:3142 in the control namespace."""
    launch(
        "nsenter",
        f"--net={places.control}",
        "socat",
        f"TCP4-LISTEN:{PORT},bind={address},fork,reuseaddr",
        f"EXEC:{SUPPORT}/in.acng {cache_socket(service)},nofork",
        cgroups=cgroups,
        log=places.log("packages"),
    )


def _in_reach(sources: Sequence[AptSource], proxy: str | None) -> bool:
    """Tell whether any repository (or the proxy in between) takes TCP connections."""
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
