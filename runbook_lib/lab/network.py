"""Make a lab's network where it is missing: after a command that was killed, or a restart of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyroute2 import IPRoute
from pyroute2.netlink.rtnl.ifinfmsg import IFF_UP

from runbook_lib.connections.network_namespace import run_in
from runbook_lib.lab.hosts.registry import switch_vlans
from runbook_lib.lab.switch import CONTROL_INTERFACE, add_vlans, create_namespace, create_switch
from runbook_lib.lab.system.mounts import mounts_below, unmount

if TYPE_CHECKING:
    from runbook_lib.lab.system.paths import LabPaths
    from runbook_lib.lab.topology import Topology

__all__ = ["make_network"]


def make_network(paths: LabPaths, topology: Topology) -> None:
    """Make the switch, with control plugged in, and the bridges of all VLANs; what is complete stays as it is.

    Args:
        paths: The lab's files.
        topology: The lab's hosts.

    Raises:
        LabError: The kernel refused a part.
    """
    namespaces = (paths.switch, paths.control)
    mounted = [target for target in mounts_below(paths.run) if target in namespaces]
    if len(mounted) == len(namespaces) and run_in(paths.control, _is_connected):
        add_vlans(switch_vlans(topology), paths.switch)
        return
    for target in mounted:
        unmount(target, "remove an unfinished network namespace")
    for namespace in namespaces:
        create_namespace(namespace)
    create_switch(paths.name, topology, paths.switch, paths.control)


def _is_connected() -> bool:
    """Return whether control's interface is up: that is the last part of a switch that is made."""
    with IPRoute() as kernel:
        links = {link.get_attr("IFLA_IFNAME"): link["flags"] for link in kernel.get_links()}
    return bool(links.get(CONTROL_INTERFACE, 0) & IFF_UP)
