"""The path from client to redis, hop by hop: each is checked on its own, so that a break is located (book S6)."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from runbook_lib.books.docker.ambassador import REDIS_ALIAS
from runbook_lib.operations.probe import Answers
from runbook_lib.operations.redis import Key

if TYPE_CHECKING:
    from runbook_lib.books.docker.parameters import AmbassadorRedis
    from runbook_lib.model.plans import Check
    from runbook_lib.model.records import RunRecord

__all__ = [
    "WHOLE_PATH",
    "client_to_ambassador",
    "host_to_host",
    "key",
    "key_on_server",
    "published_port",
    "redis_itself",
    "server_ambassador_to_redis",
    "with_hop_ids",
]

WHOLE_PATH = "hop.4"
"""Id of the check whose PING passes through all hops."""

_PING = "PING\r\n"  # redis answers inline commands
_PONG = "+PONG"
_TITLE = re.compile(r"hop (\d+): ")


def redis_itself(p: AmbassadorRedis) -> Answers:  # noqa: ARG001 - every hop takes the runbook's parameters
    """Hop 1, on the server's host: redis answers inside its own container."""
    return Answers(
        "hop 1: redis-server answers itself",
        ("redis-cli", "ping"),
        "PONG",
        container="redis-server",
        id="hop.1",
    )


def server_ambassador_to_redis(p: AmbassadorRedis) -> Answers:  # noqa: ARG001 - as above
    """Hop 2, on the server's host: the ambassador reaches redis."""
    return Answers(
        "hop 2: server-side ambassador to redis-server",
        ("socat", "-t", "3", "-", f"TCP4:{REDIS_ALIAS}:6379"),
        _PONG,
        container="redis_ambassador",
        stdin=_PING,
        id="hop.2",
    )


def host_to_host(p: AmbassadorRedis) -> Answers:
    """Hop 3, on the client's host: the ambassador reaches the published port of the server's host."""
    return Answers(
        f"hop 3: client-side ambassador to server host {p.server_address}:{p.port}",
        ("socat", "-t", "3", "-", f"TCP4:{p.server_address}:{p.port},connect-timeout=3"),
        _PONG,
        container="redis_ambassador",
        stdin=_PING,
        id="hop.3",
    )


def client_to_ambassador(p: AmbassadorRedis) -> Answers:  # noqa: ARG001 - as above
    """Hop 4, on the client's host: the client pings through its ambassador, and so through all hops."""
    return Answers(
        "hop 4: client to client-side ambassador, and through all hops",
        ("redis-cli", "-h", REDIS_ALIAS, "-p", "6379", "ping"),
        "PONG",
        container="redis-client",
        id=WHOLE_PATH,
    )


def published_port(p: AmbassadorRedis) -> Answers:
    """Without ambassadors: the client reaches a published port, knowing the server's host (S3)."""
    return Answers(
        f"published port: client to server host {p.server_address}:{p.published_port}",
        ("redis-cli", "-h", p.server_address, "-p", str(p.published_port), "ping"),
        "PONG",
        container="redis-client",
        id="ambassador.published_port",
    )


def key(p: AmbassadorRedis) -> Key:
    """A key set through both ambassadors."""
    return Key(container="redis-client", server=REDIS_ALIAS, port=6379, name=p.key, value=p.value)


def key_on_server(p: AmbassadorRedis) -> Answers:
    """The same key read inside the server's own container."""
    return Answers(
        f"{p.key} read on redis-server itself",
        ("redis-cli", "GET", p.key),
        p.value,
        container="redis-server",
        id="ambassador.key_on_server",
    )


def with_hop_ids(record: RunRecord) -> RunRecord:
    """Return a run's record with the ids of its hop checks, also where the evidence is from before there were ids.

    Records of schema version 1 may have no ids: there the checks' names (`hop 3: …`) stand in for them.
    """
    if record.schema_version > 1:
        return record
    steps = [
        step.model_copy(
            update={
                "hosts": [
                    host.model_copy(update={"checks": [_with_id(check) for check in host.checks]})
                    for host in step.hosts
                ]
            }
        )
        for step in record.steps
    ]
    return record.model_copy(update={"steps": steps})


def _with_id(check: Check) -> Check:
    title = None if check.id else _TITLE.match(check.name)
    return dataclasses.replace(check, id=f"hop.{title[1]}") if title else check
