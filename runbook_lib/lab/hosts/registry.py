"""The kinds of lab hosts by name; other packages add kinds through the entry-point group `runbook_lib.lab_hosts`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError, InventoryError
from runbook_lib.plugins import find_plugins, load_class

if TYPE_CHECKING:
    from runbook_lib.lab.hosts.host import LabHost
    from runbook_lib.lab.state import LabState
    from runbook_lib.lab.system.paths import LabPaths

__all__ = ["BUILT_IN", "GROUP", "host_class", "lab_host"]

GROUP = "runbook_lib.lab_hosts"
"""The entry-point group: the name is the topology's `kind`, the object a subclass of `LabHost`."""
BUILT_IN = {
    "container": "runbook_lib.lab.hosts.container:ContainerHost",
    "vm": "runbook_lib.lab.hosts.vm:VmHost",
}
"""The kinds that this package provides, as `pyproject.toml` declares them."""


@functools.cache  # every package's metadata is read on each call otherwise: 10 ms
def host_class(kind: str) -> type[LabHost]:
    """Return the class of a kind of host.

    Args:
        kind: As in the topology, such as `container`.

    Raises:
        InputError: No installed package provides this kind, or its class cannot be loaded.
    """
    from runbook_lib.lab.hosts.host import LabHost  # noqa: PLC0415 - host classes import the topology, which asks here

    known = find_plugins(GROUP, BUILT_IN)
    if kind not in known:
        raise InputError(
            f"unknown host kind {kind!r}",
            hint=f"known kinds: {', '.join(known)}; a package adds one with an entry point in {GROUP}",
        )
    return load_class(known[kind], LabHost)  # type: ignore[type-abstract] # its subclasses are not


def lab_host(paths: LabPaths, state: LabState, name: str) -> LabHost:
    """Return one host of a lab.

    Args:
        paths: The lab's files.
        state: The lab's state.
        name: The host's name.

    Raises:
        InventoryError: The lab has no host of that name.
        InputError: The host's kind is not installed any more.
    """
    if name not in state.hosts:
        raise InventoryError(
            f"unknown host {name!r}",
            where=f"lab {paths.name}",
            hint=f"known hosts: {', '.join(state.hosts)}",
        )
    plan = state.hosts[name]
    return host_class(plan.kind)(paths, state.topology, plan)
