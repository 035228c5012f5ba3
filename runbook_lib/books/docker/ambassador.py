"""A redis and its pair of ambassadors, each a container that keeps running (book S6, S7).

Two ways to wire the containers of one host: a user-defined network in addition to the default bridge, on which the
engine resolves names, or the book's `--link` on the default bridge. Both pass the ambassador its `*_TCP` variable
explicitly: engines from 29.0 on set no link variables, and older ones only for ports that the image EXPOSEs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook_lib.operations.container import Running

if TYPE_CHECKING:
    from runbook_lib.books.docker.parameters import AmbassadorRedis

__all__ = ["NETWORK", "REDIS_ALIAS", "client", "client_side", "redis", "server_side"]

NETWORK = "redis-names"
"""The user-defined network on each host. Its name sorts after `bridge`: an engine takes the default route of a
container with several networks from the first by name, which must be the physical one."""
REDIS_ALIAS = "redis"
"""The name under which a container reaches its next hop, whichever that is."""

_REDIS, _AMBASSADOR, _CLIENT = "redis-server", "redis_ambassador", "redis-client"


def redis(p: AmbassadorRedis) -> Running:
    """Return the redis itself, reachable only from containers on its own host."""
    return Running(name=_REDIS, image=p.redis_image, **_with_alias(p))


def server_side(p: AmbassadorRedis) -> Running:
    """Return the ambassador on the server's host, which forwards its published port to redis."""
    target = f"tcp://{REDIS_ALIAS}:6379"
    return Running(
        name=_AMBASSADOR,
        image=p.ambassador_image,
        publish=(f"{p.port}:6379",),
        environment=(("REDIS_PORT_6379_TCP", target),),
        **_connected_to(p, _REDIS),
    )


def client_side(p: AmbassadorRedis) -> Running:
    """Return the ambassador on the client's host, which forwards to the server host's published port."""
    target = f"tcp://{p.server_address}:{p.port}"
    return Running(
        name=_AMBASSADOR,
        image=p.ambassador_image,
        environment=(("REDIS_PORT_6379_TCP", target),),
        **_with_alias(p),
    )


def client(p: AmbassadorRedis) -> Running:
    """Return the client container, which only knows the ambassador on its own host."""
    return Running(
        name=_CLIENT, image=p.client_image, command=("sleep", "infinity"), **_connected_to(p, _AMBASSADOR)
    )


def _with_alias(p: AmbassadorRedis) -> dict[str, Any]:
    """Return the options that give a container the alias; with links, the link gives it instead."""
    return {"joined": NETWORK, "aliases": (REDIS_ALIAS,)} if p.wiring == "network" else {}


def _connected_to(p: AmbassadorRedis, next_hop: str) -> dict[str, Any]:
    """Return the options that connect a container to its next hop, under the alias."""
    return {"joined": NETWORK} if p.wiring == "network" else {"links": (f"{next_hop}:{REDIS_ALIAS}",)}
