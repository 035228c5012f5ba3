"""What control offers the hosts: packages and images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.connections.namespace import open_socket
from runbook_lib.lab import packages, registry
from runbook_lib.lab.cgroups import Cgroup
from runbook_lib.lab.images import image_storage
from runbook_lib.lab.programs import wait_for

if TYPE_CHECKING:
    from runbook_lib.lab.places import Places
    from runbook_lib.lab.state import LabState

__all__ = ["answering", "start_services"]

_PORTS = {"packages": packages.PORT, "registry": registry.PORT}
_START_TIMEOUT = 10  # seconds


def answering(places: Places, address: str) -> dict[str, bool]:
    """Return for each service whether it takes connections in the control namespace."""
    return {name: _takes_connections(places, address, port) for name, port in _PORTS.items()}


def start_services(places: Places, state: LabState, distribution: str) -> None:
    """Start the services that do not answer; return when all do.

    Raises:
        LabError: One does not start.
    """
    address = state.control.ip
    cgroups = Cgroup(places.name, "_control").create()
    packages.start_cache(state.packages, distribution)
    before = answering(places, address)
    if not before["packages"]:
        packages.start_relay(places, state.packages, address, cgroups)
    if not before["registry"]:
        registry.start_registry(places, image_storage(distribution), address, cgroups)

    def all_answer() -> bool | None:
        return all(answering(places, address).values()) or None

    wait_for(
        all_answer, "the lab's package cache or registry", timeout=_START_TIMEOUT, log=places.log("registry")
    )


def _takes_connections(places: Places, address: str, port: int) -> bool:
    try:
        open_socket(str(places.control), address, port, 1.0).close()
    except OSError:
        return False
    return True
