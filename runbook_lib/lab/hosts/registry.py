"""The kinds of lab hosts by name; other packages add kinds through the entry-point group `runbook_lib.lab_hosts`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError, InventoryError
from runbook_lib.known_names import unknown_name
from runbook_lib.lab.hosts.host import LabHost
from runbook_lib.plugins import find_plugins, load_class

if TYPE_CHECKING:
    from runbook_lib.lab.system.paths import LabPaths
    from runbook_lib.lab.topology import Topology

__all__ = ["BUILT_IN", "GROUP", "host_class", "lab_host", "switch_vlans"]

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
    known = find_plugins(GROUP, BUILT_IN)
    if kind not in known:
        raise InputError(
            f"unknown host kind {kind!r}",
            hint=f"known kinds: {', '.join(known)}; a package adds one with an entry point in {GROUP}",
        )
    return load_class(known[kind], LabHost)  # type: ignore[type-abstract] # its subclasses are not


def lab_host(paths: LabPaths, topology: Topology, name: str) -> LabHost:
    """Return one host of a lab.

    Args:
        paths: The lab's files.
        topology: The topology that the lab was made from.
        name: The host's name.

    Raises:
        InventoryError: The lab has no host of that name.
        InputError: The host's kind is not installed any more.
    """
    if name not in topology.hosts:
        raise unknown_name(name, topology.hosts, kind="host", where=f"lab {paths.name}", error=InventoryError)
    plan = topology.hosts[name]
    return host_class(plan.kind)(paths, topology, plan)


def switch_vlans(topology: Topology) -> list[int]:
    """Return the VLANs that the switch needs, ascending: those of control and of all hosts that use the switch."""
    switched = [host for host in topology.hosts.values() if host_class(host.kind).uses_switch]
    used = {interface.vlan for host in switched for interface in host.interfaces.values()}
    return sorted(used | {topology.control.vlan})
