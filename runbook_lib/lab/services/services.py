"""Start the lab's services for its hosts, packages and images, and check that they answer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runbook_lib import system_requirements
from runbook_lib.connections.network_namespace import open_socket
from runbook_lib.lab.services import image_registry, object_store, package_cache
from runbook_lib.lab.services.images import image_storage
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.subprocesses import listens, wait_for

if TYPE_CHECKING:
    from runbook_lib.lab.state import LabState
    from runbook_lib.lab.system.paths import LabPaths

__all__ = ["has_images", "service_status", "start_services"]

_START_TIMEOUT = 10  # seconds


def has_images() -> bool:
    """Return whether a lab of this user has images: building them needs root and the programs of the part `lab`."""
    return os.geteuid() == 0 and not system_requirements.missing("lab")


def service_status(paths: LabPaths, state: LabState) -> dict[str, bool]:
    """Return for each service whether it accepts connections everywhere the lab's hosts use it.

    Args:
        paths: The lab's files.
        state: The lab's state.
    """
    services = {"packages": (package_cache.cache_socket(state.packages), package_cache.PORT)}
    if state.images:
        services["registry"] = (image_registry.registry_socket(paths), image_registry.PORT)
    status = {
        name: listens(socket) and (not state.has_switch or _relayed(paths, state.control.ip, port))
        for name, (socket, port) in services.items()
    }
    if state.store:
        status["store"] = _relayed(paths, state.control.ip, object_store.PORT)
    return status


def start_services(paths: LabPaths, state: LabState) -> None:
    """Start the services that do not answer, and return when all do.

    Args:
        paths: The lab's files.
        state: The lab's state.

    Raises:
        LabError: A service does not start.
    """
    address = state.control.ip
    cgroups = Cgroup(paths.name, "_control").create()
    package_cache.start_cache(state.packages, next(iter(state.hosts.values())).distribution)
    if state.images and not listens(image_registry.registry_socket(paths)):
        image_registry.start_registry(paths, image_storage(), cgroups)
    if state.has_switch:
        if not _relayed(paths, address, package_cache.PORT):
            package_cache.start_relay(paths, state.packages, address, cgroups)
        if not _relayed(paths, address, image_registry.PORT):
            image_registry.start_relay(paths, address, cgroups)
    if state.store and not _relayed(paths, address, object_store.PORT):
        object_store.start_store(paths, state.topology, cgroups)

    def all_answer() -> bool | None:
        return all(service_status(paths, state).values()) or None

    wait_for(
        all_answer,
        f"the lab's {', '.join(service_status(paths, state))}",
        timeout=_START_TIMEOUT + state.store * object_store.START_TIMEOUT,
        log=paths.log("store" if state.store else "registry"),
    )


def _relayed(paths: LabPaths, address: str, port: int) -> bool:
    """Return whether a service accepts connections in the control namespace, where containers use it."""
    try:
        open_socket(str(paths.control), address, port, 1.0).close()
    except OSError:
        return False
    return True
