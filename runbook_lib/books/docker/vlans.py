"""Containers of two hosts in two VLANs: a bridge for each interface, and what keeps the VLANs apart (book S5).

In each VLAN one container announces itself by broadcasts, and another one asks. A container in the network namespace of
the host captures what the physical interfaces carry.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from runbook_lib.operations import bridge, docker_network, probe
from runbook_lib.operations.container import IDLE, Running
from runbook_lib.operations.frames import ANNOUNCEMENT_PORT, Separated

if TYPE_CHECKING:
    from runbook_lib.books.docker.parameters import TwoVlans

__all__ = [
    "announcer",
    "announcer_name",
    "capturer",
    "does_not_reach",
    "listener",
    "no_foreign_frames",
    "reaches",
    "second_bridge",
    "second_network",
]

_CAPTURER = "vlan-capture"
# A shell handles a signal only between two commands, so it never sleeps for long.
_ANNOUNCE = (
    "trap 'exit 0' TERM INT; while :; do "
    'echo "$1" | socat -u - "UDP4-DATAGRAM:$2,broadcast"; sleep 0.5; done'
)
_NO_REPLY = ("100% packet loss",)


def second_bridge(p: TwoVlans) -> bridge.Present:
    """Return the bridge of the second VLAN; the first one's is that of `30_bridge_br0`."""
    return bridge.Present(p.second_bridge, p.second_interface, p.second_address, revert_after=p.revert_after)


def second_network(p: TwoVlans) -> docker_network.Present:
    """Return Docker's network on that bridge; Docker's default network is on the first one."""
    return docker_network.Present(
        _network(p),
        p.second_subnet,
        bridge=p.second_bridge,
        gateway=p.second_address.partition("/")[0],
        address_range=p.second_range,
    )


def announcer_name(vlan: int) -> str:
    """Return the name of the container that announces itself in a VLAN."""
    return f"vlan{vlan}-announcer"


def announcer(p: TwoVlans, vlan: int) -> Running:
    """Return the container that broadcasts into its VLAN twice a second.

    Args:
        p: The runbook's parameters.
        vlan: One of its VLANs.
    """
    broadcast = ipaddress.ip_network(p.subnet_of_vlan(vlan)).broadcast_address
    target = f"{broadcast}:{ANNOUNCEMENT_PORT}"
    return _running(p, vlan, announcer_name(vlan), ("sh", "-c", _ANNOUNCE, "sh", f"VLAN {vlan}", target))


def listener(p: TwoVlans, vlan: int) -> Running:
    """Return the container from which others are pinged.

    Args:
        p: The runbook's parameters.
        vlan: One of its VLANs.
    """
    return _running(p, vlan, _listener(vlan), IDLE)


def capturer(p: TwoVlans) -> Running:
    """Return the container in the network namespace of the host, which sees what its interfaces carry."""
    return Running(name=_CAPTURER, image=p.probe_image, command=IDLE, network="host")


def reaches(vlan: int, host: str, address: str) -> probe.Pings:
    """Return the check that a VLAN's container reaches another one of the same VLAN.

    Args:
        vlan: The VLAN.
        host: The host of the other container.
        address: The other container's address; empty if it is not known.
    """
    return probe.Pings(_listener(vlan), address, f"VLAN {vlan} on {host}")


def does_not_reach(vlan: int, other: int, host: str, address: str) -> probe.Fails:
    """Return the expected failure: a VLAN's container does not reach one of the other VLAN.

    Args:
        vlan: The VLAN.
        other: The other VLAN.
        host: The host of the other VLAN's container.
        address: The address of that container; empty if it is not known, which is a failure of another kind.
    """
    return probe.Fails(
        f"{_listener(vlan)} to VLAN {other} on {host} at {address or 'an unknown address'}",
        ("ping", "-n", "-c", "1", "-W", "1", "--", address) if address else ("false",),
        _NO_REPLY,
        container=_listener(vlan),
        id="vlan.does_not_reach",
    )


def no_foreign_frames(p: TwoVlans, vlan: int) -> Separated:
    """Return the check that a VLAN's physical interface carries no frame of the other VLAN.

    Args:
        p: The runbook's parameters.
        vlan: The VLAN.
    """
    (other,) = {p.vlan, p.second_vlan} - {vlan}
    return Separated(
        f"VLAN {vlan} and VLAN {other}",
        p.card if vlan == p.vlan else p.second_interface,
        own=p.subnet_of_vlan(vlan),
        foreign=p.subnet_of_vlan(other),
        container=_CAPTURER,
        id="vlan.no_foreign_frames",
    )


def _running(p: TwoVlans, vlan: int, name: str, command: tuple[str, ...]) -> Running:
    network = None if vlan == p.vlan else _network(p)
    within = p.subnet_of_vlan(vlan)
    return Running(name=name, image=p.probe_image, command=command, network=network, within=within)


def _network(p: TwoVlans) -> str:
    return f"vlan{p.second_vlan}"


def _listener(vlan: int) -> str:
    return f"vlan{vlan}-listener"
