"""A redis and its pair of ambassadors, each a container that keeps running (book S6, S7).

Two ways to wire containers of one host: a user-defined network besides the default bridge, whose names the
engine resolves, and the book's `--link` on the default bridge. Both hand the ambassador its `*_TCP` variable
explicitly: engines from 29.0 on set no link variables, and older ones only for ports that the image EXPOSEs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook_lib.operations.container import Running

if TYPE_CHECKING:
    from runbook_lib.books.docker.parameters import AmbassadorRedis

__all__ = ["NETWORK", "REDIS_ALIAS", "client", "client_side", "published", "redis", "server_side"]

NETWORK = "redis-names"
"""The user-defined network on each host. Its name sorts after `bridge`: an engine takes the default route of a
container on several networks from the first by name, and that must stay the physical one."""
REDIS_ALIAS = "redis"
"""What a container calls the next hop, whichever it is."""

_REDIS, _AMBASSADOR, _CLIENT = "redis-server", "redis_ambassador", "redis-client"


def redis(p: AmbassadorRedis) -> Running:
    """Return the redis itself, reachable from its own host's containers only."""
    return Running(name=_REDIS, image=p.redis_image, **_called_redis(p))


def published(p: AmbassadorRedis) -> Running:
    """Return a redis with its port published on the host: the simplest way across hosts (S3)."""
    return Running(name="redis-published", image=p.redis_image, publish=(f"{p.published_port}:6379",))


def server_side(p: AmbassadorRedis) -> Running:
    """Return the ambassador on the server's host: published port to redis."""
    target = f"tcp://{REDIS_ALIAS}:6379"
    return Running(
        name=_AMBASSADOR,
        image=p.ambassador_image,
        publish=(f"{p.port}:6379",),
        environment=(("REDIS_PORT_6379_TCP", target),),
        **_beside(p, _REDIS),
    )


def client_side(p: AmbassadorRedis) -> Running:
    """Return the ambassador on the client's host: itself to the server host's published port."""
    target = f"tcp://{p.server_address}:{p.port}"
    return Running(
        name=_AMBASSADOR,
        image=p.ambassador_image,
        environment=(("REDIS_PORT_6379_TCP", target),),
        **_called_redis(p),
    )


def client(p: AmbassadorRedis) -> Running:
    """Return the client container: it knows its own host's ambassador and nothing else."""
    return Running(
        name=_CLIENT, image=p.client_image, command=("sleep", "infinity"), **_beside(p, _AMBASSADOR)
    )


def _called_redis(p: AmbassadorRedis) -> dict[str, Any]:
    """Return how a container gets the alias on the network; with links the neighbour gives it."""
    return {"joined": NETWORK, "aliases": (REDIS_ALIAS,)} if p.wiring == "network" else {}


def _beside(p: AmbassadorRedis, neighbour: str) -> dict[str, Any]:
    """Return how a container is joined to its neighbour, which it calls by the alias."""
    return {"joined": NETWORK} if p.wiring == "network" else {"links": (f"{neighbour}:{REDIS_ALIAS}",)}
