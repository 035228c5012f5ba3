"""Redis by name: on one host by a user-defined network, across hosts by an overlay, apart for two tenants (book S8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.operations import swarm_service
from runbook_lib.operations.container import IDLE, Running
from runbook_lib.operations.container_address import Lost
from runbook_lib.operations.docker_network import Overlay, Present
from runbook_lib.operations.probe import Answers, Fails

if TYPE_CHECKING:
    from runbook_lib.books.docker.parameters import OverlayNames

__all__ = [
    "FORMER",
    "answers_by_name",
    "answers_itself",
    "client",
    "fails_at_former_address",
    "loses_its_address",
    "names_network",
    "no_foreign_packets",
    "redis",
    "service",
    "service_answers",
    "tenant_network",
    "unknown_name",
    "unreachable_address",
]

FORMER = "-former-address"
"""What the name of a container has in addition that took the address of another one."""

_PING = "ping"
_CLOSED = ("Connection refused",)
_UNKNOWN = ("Name or service not known", "name resolution", "No address associated", "no answer")
_UNREACHABLE = ("no answer", "No route to host", "Connection timed out", "Network is unreachable", "refused")
# Counts what arrives at the interfaces of a container while two others of the same host's engine talk to each other.
# A packet of the container's own network (ARP, IPv6's discovery) may arrive in between, so there are up to three tries:
# what leaked would be there in each, 20 packets and more.
_COUNT = r"""
received() { docker exec "$1" sh -c 'cat /sys/class/net/eth*/statistics/rx_packets' | awk '{n += $1} END {print n}'; }
for attempt in 1 2 3; do
  own=$(received "$1"); foreign=$(received "$2")
  docker exec "$1" redis-cli -h "$3" -r 20 ping >/dev/null || exit 1
  own=$(($(received "$1") - own)); foreign=$(($(received "$2") - foreign))
  [ "$own" -ge 20 ] || { echo "only $own packets arrived at $1"; exit 1; }
  [ "$foreign" -eq 0 ] && break
done
echo "$foreign foreign packets"
"""


def names_network(p: OverlayNames) -> Present:
    """Return the user-defined network of one host."""
    return Present(p.names, p.names_subnet)


def tenant_network(p: OverlayNames, tenant: str) -> Overlay:
    """Return a tenant's overlay network.

    Args:
        p: The runbook's parameters.
        tenant: The tenant, which is the network's name as well.
    """
    return Overlay(tenant, p.subnet_of(tenant), p.encrypted)


def redis(p: OverlayNames, network: str) -> Running:
    """Return the redis on a network; its name is the network's, followed by `-redis`."""
    return Running(name=_redis(network), image=p.redis_image, network=network)


def client(p: OverlayNames, network: str) -> Running:
    """Return the client on a network; its name is the network's, followed by `-client`."""
    return Running(name=_client(network), image=p.client_image, command=IDLE, network=network)


def loses_its_address(p: OverlayNames, network: str) -> Lost:
    """Return the restart at which another container takes the address of the redis."""
    return Lost(
        name=_redis(network), network=network, successor=_redis(network) + FORMER, image=p.client_image
    )


def answers_itself(network: str) -> Answers:
    """Return the check that the redis answers inside its own container."""
    return Answers(
        f"{_redis(network)} answers itself",
        ("redis-cli", _PING),
        "PONG",
        container=_redis(network),
        id="overlay.redis",
    )


def answers_by_name(network: str) -> Answers:
    """Return the check that the client reaches the redis by its name, wherever it is."""
    return Answers(
        f"{_client(network)} to {_redis(network)} by name",
        ("redis-cli", "-h", _redis(network), _PING),
        "PONG",
        container=_client(network),
        id="overlay.by_name",
    )


def fails_at_former_address(network: str, address: str) -> Fails:
    """Return the expected failure: at the address that the redis had before its restart there is no redis.

    Args:
        network: The network.
        address: That address; empty if it is not known, which is a failure of another kind.
    """
    return Fails(
        f"{_client(network)} to {_redis(network)} at its former address",
        ("redis-cli", "-h", address or "unknown.invalid", _PING),
        _CLOSED,
        container=_client(network),
        id="overlay.former_address",
    )


def service(p: OverlayNames) -> swarm_service.Running:
    """Return the tenant's service: two containers under one name, on whichever hosts the swarm chooses."""
    return swarm_service.Running(_service(p.tenant), p.redis_image, p.tenant, 2, p.endpoint)


def service_answers(p: OverlayNames) -> Answers:
    """Return the check that the tenant's client reaches the service by its name."""
    return Answers(
        f"{_client(p.tenant)} to {_service(p.tenant)} by name",
        ("redis-cli", "-h", _service(p.tenant), _PING),
        "PONG",
        container=_client(p.tenant),
        id="overlay.service",
    )


def unknown_name(tenant: str, other: str) -> Fails:
    """Return the expected failure: a tenant's client does not know the name of another tenant's redis."""
    return Fails(
        f"{_client(tenant)} to {_redis(other)} by name",
        ("redis-cli", "-h", _redis(other), _PING),
        _UNKNOWN,
        container=_client(tenant),
        seconds=2,
        id="overlay.unknown_name",
    )


def unreachable_address(tenant: str, other: str, address: str) -> Fails:
    """Return the expected failure: a tenant's client does not reach the address of another tenant's redis.

    Args:
        tenant: The client's tenant.
        other: The redis's tenant.
        address: The address of that redis; empty if it is not known, which is a failure of another kind.
    """
    return Fails(
        f"{_client(tenant)} to {_redis(other)} by address",
        ("redis-cli", "-h", address, _PING) if address else ("false",),
        _UNREACHABLE,
        container=_client(tenant),
        seconds=2,
        id="overlay.unreachable",
    )


def no_foreign_packets(tenant: str, other: str) -> Answers:
    """Return the check that nothing of one tenant's traffic arrives at the other's client, on the same host.

    Args:
        tenant: The tenant whose client talks to its redis.
        other: The tenant whose client must not receive anything meanwhile.
    """
    return Answers(
        f"what arrives at {_client(other)} while {_client(tenant)} talks",
        ("sh", "-c", _COUNT, "sh", _client(tenant), _client(other), _redis(tenant)),
        "0 foreign packets",
        id="overlay.isolation",
    )


def _redis(network: str) -> str:
    return f"{network}-redis"


def _service(network: str) -> str:
    return f"{network}-service"


def _client(network: str) -> str:
    return f"{network}-client"
