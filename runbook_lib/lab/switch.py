"""The lab's network: network namespaces and cables between them; this machine's own network is not touched.

    switch    one bridge per VLAN (v101, v102); one port per cable: `control`, `host-a.em1`, ...
    control   eth0 with the control address: package cache, image registry, and where SSH connections start
    host      em1, em2: created at each boot of the host, inside the mount namespace of its supervisor
    VM        its ports are tap devices, which exist as long as its QEMU does

One bridge per VLAN stands in for a VLAN-aware switch, since some kernels lack bridge VLAN filtering.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from typing import TYPE_CHECKING

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from runbook_lib.connections.network_namespace import run_in
from runbook_lib.errors import LabError
from runbook_lib.lab.hosts.registry import switch_vlans
from runbook_lib.lab.system.subprocesses import run
from runbook_lib.lab.system.tap_devices import open_tap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from runbook_lib.lab.topology import HostPlan, Topology

__all__ = [
    "CONTROL_INTERFACE",
    "add_vlans",
    "create_namespace",
    "create_switch",
    "isolate",
    "mac_address",
    "plug_host",
    "plug_vm",
    "set_port",
]

CONTROL_INTERFACE = "eth0"
_CONTROL_PORT = "control"


def create_namespace(file: Path) -> None:
    """Create a network namespace that exists as long as the bind mount on `file`.

    Args:
        file: Where to mount the namespace; created if missing.

    Raises:
        LabError: The namespace could not be created.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    run("unshare", f"--net={file}", "true", what=f"create the network namespace {file.name}")


def create_switch(lab: str, topology: Topology, switch: Path, control: Path) -> None:
    """Create the switch's bridges and connect control to it; both namespaces exist already.

    Args:
        lab: The lab's name; the MAC address is derived from it.
        topology: The VLANs, and control's address.
        switch: The switch's namespace.
        control: Control's namespace.

    Raises:
        LabError: The kernel refused a part.
    """

    def connect_control() -> None:
        with IPRoute() as kernel:
            _up(kernel, "lo")
            _cable(
                kernel,
                _CONTROL_PORT,
                interface=CONTROL_INTERFACE,
                namespace=control,
                vlan=topology.control.vlan,
                mac=mac_address(lab, "control", CONTROL_INTERFACE),
            )

    def set_address() -> None:
        with IPRoute() as kernel:
            ip, prefix = topology.control.address.split("/")
            index = kernel.link_lookup(ifname=CONTROL_INTERFACE)[0]
            kernel.addr("add", index=index, address=ip, prefixlen=int(prefix))
            _up(kernel, "lo")
            _up(kernel, CONTROL_INTERFACE)

    with _explained("create the switch"):
        add_vlans(switch_vlans(topology), switch)
        run_in(switch, connect_control)
        run_in(control, set_address)


def add_vlans(vlans: Iterable[int], switch: Path) -> None:
    """Create the bridges of VLANs that the switch does not have yet.

    Args:
        vlans: VLAN numbers.
        switch: The switch's namespace.

    Raises:
        LabError: The kernel refused.
    """

    def create_bridges() -> None:
        with IPRoute() as kernel:
            for vlan in vlans:
                if not kernel.link_lookup(ifname=_bridge(vlan)):
                    kernel.link(
                        "add", ifname=_bridge(vlan), kind="bridge", br_stp_state=0, br_forward_delay=0
                    )
                _up(kernel, _bridge(vlan))

    with _explained("add VLANs to the switch"):
        run_in(switch, create_bridges)


def plug_host(lab: str, plan: HostPlan, switch: Path, namespace: Path, faults: set[str]) -> None:
    """Plug a host's interfaces into the switch, replacing the cables of an earlier boot.

    Args:
        lab: The lab's name; MAC addresses are derived from it and stay the same from boot to boot.
        plan: The host.
        switch: The switch's namespace.
        namespace: The host's new, empty namespace.
        faults: The lab's faults; `cable` and `unplug:HOST` persist over a reboot.

    Raises:
        LabError: The kernel refused a part.
    """

    def plug() -> None:
        with IPRoute() as kernel:
            for name, interface in plan.interfaces.items():
                port = plan.port(name)
                _remove(kernel, port)
                mac = mac_address(lab, plan.name, name)
                _cable(kernel, port, interface=name, namespace=namespace, vlan=interface.vlan, mac=mac)
                _apply_faults(kernel, plan, name, faults)

    with _explained(f"plug {plan.name} into the switch"):
        run_in(switch, plug)


@contextlib.contextmanager
def plug_vm(plan: HostPlan, switch: Path, faults: set[str]) -> Iterator[dict[str, int]]:
    """Plug a VM's interfaces into the switch, replacing the ports of an earlier QEMU.

    A port exists as long as a process has its descriptor open. So none is left behind, however QEMU ends.

    Args:
        plan: The host.
        switch: The switch's namespace.
        faults: The lab's faults; `cable` and `unplug:HOST` persist over a power cut.

    Yields:
        Interface -> descriptor of its tap device, for QEMU to inherit; closed here afterwards.

    Raises:
        LabError: The kernel refused a part.
    """
    taps: dict[str, int] = {}

    def plug() -> None:
        with IPRoute() as kernel:
            for name, interface in plan.interfaces.items():
                port = plan.port(name)
                _remove(kernel, port)
                taps[name] = open_tap(port)
                _connect(kernel, port, interface.vlan)
                _apply_faults(kernel, plan, name, faults)

    try:
        with _explained(f"plug {plan.name} into the switch"):
            run_in(switch, plug)
        yield taps
    finally:
        for descriptor in taps.values():
            os.close(descriptor)


def isolate(switch: Path, *, isolated: bool) -> None:
    """Isolate the hosts' ports from each other, or end the isolation; control reaches all of them either way.

    Args:
        switch: The switch's namespace.
        isolated: Whether hosts are kept from reaching each other.

    Raises:
        LabError: The kernel refused.
    """

    def change() -> None:
        with IPRoute() as kernel:
            for link in kernel.get_links():
                port = link.get_attr("IFLA_IFNAME")
                if "." in port:
                    kernel.brport("set", index=link["index"], isolated=int(isolated))

    with _explained("isolate the switch's ports"):
        run_in(switch, change)


def set_port(switch: Path, port: str, *, up: bool) -> None:
    """Set a port of the switch up or down, as if its cable were plugged in or pulled: the host's end loses its carrier.

    Args:
        switch: The switch's namespace.
        port: The port's name (`HostPlan.port`).
        up: Whether the cable is plugged in; a host that is off has no port, and gets one with its cable plugged in.

    Raises:
        LabError: The switch has no such port, whose cable could be pulled.
    """

    def change() -> None:
        with IPRoute() as kernel:
            found = kernel.link_lookup(ifname=port)
            if found or not up:
                kernel.link("set", index=found[0], state="up" if up else "down")

    with _explained(f"set the port {port}"):
        run_in(switch, change)


def _cable(  # noqa: PLR0913 - a cable has two ends
    kernel: IPRoute, port: str, *, interface: str, namespace: Path, vlan: int, mac: str
) -> None:
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        peer = {"ifname": interface, "address": mac, "net_ns_fd": descriptor}
        kernel.link("add", ifname=port, kind="veth", peer=peer)
    finally:
        os.close(descriptor)
    _connect(kernel, port, vlan)


def _connect(kernel: IPRoute, port: str, vlan: int) -> None:
    index = kernel.link_lookup(ifname=port)[0]
    kernel.link("set", index=index, master=kernel.link_lookup(ifname=_bridge(vlan))[0])
    kernel.link("set", index=index, state="up")


def _apply_faults(kernel: IPRoute, plan: HostPlan, interface: str, faults: set[str]) -> None:
    """Give a new port the faults that the host's earlier one had."""
    index = kernel.link_lookup(ifname=plan.port(interface))[0]
    if "cable" in faults:
        kernel.brport("set", index=index, isolated=1)
    if f"unplug:{plan.name}" in faults and interface == plan.first_interface:
        kernel.link("set", index=index, state="down")


def _remove(kernel: IPRoute, port: str) -> None:
    """Remove a port if it exists: that of an earlier boot, which the kernel may be removing at the same time."""
    for index in kernel.link_lookup(ifname=port):
        try:
            kernel.link("del", index=index)
        except NetlinkError as problem:
            if problem.code != errno.ENODEV:
                raise


def _up(kernel: IPRoute, name: str) -> None:
    kernel.link("set", index=kernel.link_lookup(ifname=name)[0], state="up")


def _bridge(vlan: int) -> str:
    return f"v{vlan}"


def mac_address(lab: str, host: str, interface: str) -> str:
    """Return an interface's MAC address: locally administered, and the same at each boot.

    Args:
        lab: The lab's name.
        host: The host's name.
        interface: The interface's name.
    """
    digest = hashlib.sha256(f"{lab}/{host}/{interface}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except (NetlinkError, OSError, IndexError) as problem:
        raise LabError(
            f"could not {what}: {problem}",
            hint="run `runbook lab down`, then `runbook lab up`, both with the lab's --name",
        ) from problem
