"""The network configuration that a lab host starts with, as an installer would have written it, for each network stack.

A host has one network stack: the software that configures its interfaces. The others are not installed, or configure
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.lab.topology import HostPlan, Interface, NetworkStackName

__all__ = ["PRIVATE", "STACK_PACKAGES", "network_files"]

_NETPLAN = ("netplan.io", "network-manager")
STACK_PACKAGES: dict[NetworkStackName, tuple[str, ...]] = {
    "ifupdown": (),
    "networkd": (),  # part of Debian 12's package `systemd`
    "netplan-networkd": _NETPLAN,  # both packages for three stacks: one root file system is built, not three
    "netplan-networkmanager": _NETPLAN,
    "networkmanager": _NETPLAN,
}
"""The packages that a network stack needs in addition to those of every host."""
PRIVATE = ("etc/netplan/", "etc/NetworkManager/system-connections/")
"""Beginnings of the paths that only root may read; netplan and NetworkManager insist on it."""

_LOOPBACK = "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n"
_WANTS = "etc/systemd/system/multi-user.target.d/lab-network.conf"
# Without udev NetworkManager takes every veth, Docker's included, and configures it by DHCP.
_NETWORKMANAGER_CONF = """\
[main]
no-auto-default=*

[keyfile]
unmanaged-devices=interface-name:veth*;interface-name:docker*;interface-name:br-*
"""


def network_files(plan: HostPlan) -> dict[str, str]:
    """Return the files of a host's network configuration: path without the leading `/` -> content.

    Args:
        plan: The host.
    """
    return _FILES[plan.network_stack](plan)


def _ifupdown(plan: HostPlan) -> dict[str, str]:
    """Return /etc/network/interfaces (interfaces(5))."""
    text = _LOOPBACK
    for name, interface in plan.interfaces.items():
        text += f"\nauto {name}\n"
        if interface.address is None:
            text += f"iface {name} inet manual\n    up ip link set dev $IFACE up\n"
            text += "    down ip link set dev $IFACE down\n"
            continue
        text += f"iface {name} inet static\n    address {interface.address}\n"
        if interface.gateway:
            text += f"    gateway {interface.gateway}\n"
    return {"etc/network/interfaces": text}


def _networkd(plan: HostPlan) -> dict[str, str]:
    """Return a file for each interface (systemd.network(5))."""
    files = {"etc/network/interfaces": _LOOPBACK, _WANTS: _wants("systemd-networkd.service")}
    for name, interface in plan.interfaces.items():
        text = f"[Match]\nName={name}\n\n[Network]\n"
        if interface.address is None:
            text += "LinkLocalAddressing=no\n"
        else:
            text += f"Address={interface.address}\n"
            text += f"Gateway={interface.gateway}\n" if interface.gateway else ""
        files[f"etc/systemd/network/50-{name}.network"] = text + "IPv6AcceptRA=no\n"
    return files


def _netplan(plan: HostPlan, renderer: str) -> dict[str, str]:
    text = "# The network, as it was installed.\nnetwork:\n  version: 2\n"
    text += f"  renderer: {renderer}\n  ethernets:\n"
    for name, interface in plan.interfaces.items():
        text += f"    {name}:\n"
        if interface.address is None:
            text += "      link-local: []\n      optional: true\n"
            continue
        text += f"      addresses:\n        - {interface.address}\n"
        if interface.gateway:
            text += f"      routes:\n        - to: default\n          via: {interface.gateway}\n"
    return {"etc/network/interfaces": _LOOPBACK, "etc/netplan/50-installer.yaml": text}


def _netplan_networkd(plan: HostPlan) -> dict[str, str]:
    return _netplan(plan, "networkd")  # netplan's generator starts systemd-networkd


def _netplan_networkmanager(plan: HostPlan) -> dict[str, str]:
    return _netplan(plan, "NetworkManager") | _networkmanager_itself()


def _networkmanager(plan: HostPlan) -> dict[str, str]:
    """Return a profile for each interface (nm-settings-keyfile(5))."""
    files = {"etc/network/interfaces": _LOOPBACK, **_networkmanager_itself()}
    for name, interface in plan.interfaces.items():
        text = f"[connection]\nid={name}\ntype=ethernet\ninterface-name={name}\n\n"
        files[f"etc/NetworkManager/system-connections/{name}.nmconnection"] = text + _ip_sections(interface)
    return files


def _ip_sections(interface: Interface) -> str:
    if interface.address is None:
        return "[ipv4]\nmethod=disabled\n\n[ipv6]\nmethod=disabled\n"
    gateway = f",{interface.gateway}" if interface.gateway else ""
    return f"[ipv4]\nmethod=manual\naddress1={interface.address}{gateway}\n\n[ipv6]\nmethod=link-local\n"


def _networkmanager_itself() -> dict[str, str]:
    return {
        "etc/NetworkManager/conf.d/90-lab.conf": _NETWORKMANAGER_CONF,
        _WANTS: _wants("NetworkManager.service"),
    }


def _wants(unit: str) -> str:
    return f"[Unit]\nWants={unit}\n"


_FILES: dict[NetworkStackName, Callable[[HostPlan], dict[str, str]]] = {
    "ifupdown": _ifupdown,
    "networkd": _networkd,
    "netplan-networkd": _netplan_networkd,
    "netplan-networkmanager": _netplan_networkmanager,
    "networkmanager": _networkmanager,
}
