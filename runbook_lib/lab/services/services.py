"""What control offers the hosts: packages and images."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runbook_lib import system_requirements
from runbook_lib.connections.network_namespace import open_socket
from runbook_lib.lab.services import image_registry, package_cache
from runbook_lib.lab.services.images import image_storage
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.subprocesses import listens, wait_for

if TYPE_CHECKING:
    from runbook_lib.lab.state import LabState
    from runbook_lib.lab.system.paths import Places

__all__ = ["answering", "has_images", "start_services"]

_START_TIMEOUT = 10  # seconds


def has_images() -> bool:
    """Tell whether this user can have images built: buildah's way needs root, and its programs."""
    return os.geteuid() == 0 and not system_requirements.missing("lab")


def answering(places: Places, state: LabState) -> dict[str, bool]:
    """Return for each service whether it takes connections, wherever the lab's hosts look for it."""
    services = {"packages": (package_cache.cache_socket(state.packages), package_cache.PORT)}
    if state.images:
        services["registry"] = (image_registry.registry_socket(places), image_registry.PORT)
    return {
        name: listens(socket) and (not state.has_network or _relayed(places, state.control.ip, port))
        for name, (socket, port) in services.items()
    }


def start_services(places: Places, state: LabState, distribution: str) -> None:
    """Start the services that do not answer; return when all do.

    Raises:
        LabError: One does not start.
    """
    address = state.control.ip
    cgroups = Cgroup(places.name, "_control").create()
    package_cache.start_cache(state.packages, distribution)
    if state.images and not listens(image_registry.registry_socket(places)):
        image_registry.start_registry(places, image_storage(distribution), cgroups)
    if state.has_network:
        if not _relayed(places, address, package_cache.PORT):
            package_cache.start_relay(places, state.packages, address, cgroups)
        if not _relayed(places, address, image_registry.PORT):
            image_registry.start_relay(places, address, cgroups)

    def all_answer() -> bool | None:
        return all(answering(places, state).values()) or None

    wait_for(
        all_answer, "the lab's package cache or registry", timeout=_START_TIMEOUT, log=places.log("registry")
    )


def _relayed(places: Places, address: str, port: int) -> bool:
    """Tell whether containers find a service: it takes connections in the control namespace."""
    try:
        open_socket(str(places.control), address, port, 1.0).close()
    except OSError:
        return False
    return True
