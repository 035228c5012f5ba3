"""A redis with a published port, and a client that has to know its host: the simplest connection across hosts (S3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.operations.container import IDLE, Running
from runbook_lib.operations.nat import Forwarded
from runbook_lib.operations.probe import Answers, Fails
from runbook_lib.operations.refusal import Expected

if TYPE_CHECKING:
    from runbook_lib.books.docker.parameters import PublishedRedis

__all__ = ["answers", "client", "forwarded", "other_host", "redis", "second_publisher"]

_REDIS, _CLIENT, _SECOND = "redis-published", "port-client", "redis-published-twice"
_REDIS_PORT = 6379


def redis(p: PublishedRedis) -> Running:
    """Return a redis with its port published on all addresses of its host."""
    return Running(name=_REDIS, image=p.redis_image, publish=(f"{p.published_port}:{_REDIS_PORT}",))


def forwarded(p: PublishedRedis) -> Forwarded:
    """Return the check of the firewall rule that forwards the host's port to the redis."""
    return Forwarded(port=p.published_port, container=_REDIS, target=_REDIS_PORT)


def client(p: PublishedRedis) -> Running:
    """Return a client container on another host, which knows nothing of the redis."""
    return Running(name=_CLIENT, image=p.client_image, command=IDLE)


def answers(p: PublishedRedis) -> Answers:
    """Return the check that the client reaches the redis at the address of the server's host."""
    return Answers(
        f"client to server host {p.server_address}:{p.published_port}",
        _ping(p.server_address, p),
        "PONG",
        container=_CLIENT,
        id="published_port.answers",
    )


def other_host(p: PublishedRedis, address: str) -> Fails:
    """Return the expected failure: the same port of another host leads nowhere.

    Args:
        p: The runbook's parameters.
        address: A host's address that is not the server's.
    """
    return Fails(
        f"client to another host, {address}:{p.published_port}",
        _ping(address, p),
        ("Connection refused",),
        container=_CLIENT,
        id="published_port.other_host",
    )


def second_publisher(p: PublishedRedis) -> Expected:
    """Return the expected refusal: a second container cannot publish the same port of the host."""
    second = Running(name=_SECOND, image=p.redis_image, publish=(f"{p.published_port}:{_REDIS_PORT}",))
    return Expected(second, f"port {p.published_port} is in use by the container {_REDIS!r}")


def _ping(address: str, p: PublishedRedis) -> tuple[str, ...]:
    return ("redis-cli", "-h", address, "-p", str(p.published_port), "ping")
