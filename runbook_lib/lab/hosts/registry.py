"""The kinds of hosts, and the hosts of a lab by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.errors import InventoryError, LabError
from runbook_lib.lab.hosts.container import ContainerHost
from runbook_lib.lab.hosts.vm import VmHost
from runbook_lib.lab.state import LabState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runbook_lib.lab.hosts.host import LabHost
    from runbook_lib.lab.system.paths import Places

__all__ = ["KINDS", "host_of", "state_of"]

KINDS: Mapping[str, type[LabHost]] = {"container": ContainerHost, "vm": VmHost}
"""By the word in the topology. A new kind is a class and a line here."""


def state_of(places: Places) -> LabState:
    """Return the state of a lab that is up.

    Raises:
        LabError: It is not up.
    """
    state = LabState.load(places.state)
    if state is None or state.phase != "up":
        raise LabError("is not up", where=f"lab {places.name}", hint="`runbook lab up`")
    return state


def host_of(places: Places, state: LabState, name: str) -> LabHost:
    """Return one host of a lab.

    Raises:
        InventoryError: The name is unknown.
    """
    if name not in state.hosts:
        raise InventoryError(
            f"unknown host {name!r}",
            where=f"lab {places.name}",
            hint=f"hosts are: {', '.join(state.hosts)}",
        )
    plan = state.hosts[name]
    return KINDS[plan.kind](places, state.topology, plan)
