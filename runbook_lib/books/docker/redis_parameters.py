"""Parameters of the runbooks with a redis on one host and its client on another."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from runbook_lib.books.docker.parameter_types import Address, Image, Name, Port
from runbook_lib.parameters import OneHost, Parameters

__all__ = ["AmbassadorRedis", "PublishedPorts", "PublishedRedis", "RedisAndClient"]


class RedisAndClient(Parameters):
    """What every runbook with a redis on one host and its client on another needs."""

    server: OneHost = Field(description="Host with the redis.")
    client: str = Field(description="Host or group with the client.")
    server_address: Address = Field(description="The server host's physical address; x.x.x.x in the book.")
    redis_image: Image
    client_image: Image


class PublishedRedis(RedisAndClient):
    """What every runbook with a redis behind a published port needs."""

    published_port: Port = Field(
        default=6380, description="Port of the server's host that leads to the redis."
    )


class PublishedPorts(PublishedRedis):
    """Reach a container on another host by a published port (S3)."""

    runbook: ClassVar[str] = "25_published_ports"
    title: ClassVar[str] = "Across hosts by a published port"

    client: OneHost = Field(description="Host with the client.")
    client_address: Address = Field(
        description="The client host's own physical address, at which the port leads nowhere."
    )


class AmbassadorRedis(PublishedRedis):
    """Reach a redis behind a pair of ambassador containers (S6, S7), and for comparison by a published port (S3)."""

    runbook: ClassVar[str] = "40_ambassador_redis"
    title: ClassVar[str] = "PING through a pair of ambassadors"

    port: Port = 6379
    wiring: Literal["network", "link"] = Field(
        default="network", description="User-defined network, or the book's --link on the default bridge."
    )
    ambassador_image: Image
    key: Name = "greeting"
    value: str = Field(default="hello-through-two-ambassadors", min_length=1)
