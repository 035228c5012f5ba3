"""Types of the runbooks' parameters: each refuses what is not one, before any host is touched."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from runbook_lib.facts.image import has_registry

__all__ = [
    "Address",
    "HostAddress",
    "Image",
    "InterfaceName",
    "MirroredImage",
    "Name",
    "Network",
    "Port",
    "VlanId",
]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Image = Annotated[str, Field(pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]*$")]
InterfaceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
VlanId = Annotated[int, Field(ge=1, le=4094)]


_LONGEST_PREFIX = 30


def _is_address(value: str) -> str:
    return str(ipaddress.ip_address(value))


def _is_network(value: str) -> str:
    return str(ipaddress.ip_network(value))


def _is_address_of_a_host(value: str) -> str:
    interface = ipaddress.IPv4Interface(value)
    network = interface.network
    if "/" not in value or network.prefixlen > _LONGEST_PREFIX:
        raise ValueError(
            "must have the prefix length of a network with more than one host, as 10.102.0.31/24"
        )
    if interface.ip in {network.network_address, network.broadcast_address}:
        raise ValueError(f"must be an address of a host in {network}")
    return str(interface)


def _is_served_by_mirrors(value: str) -> str:
    if "@" in value or ":" not in value.rpartition("/")[2]:
        raise ValueError(
            "must have a tag and no digest, as runbook/redis-cli:1: it is pushed under this name"
        )
    if has_registry(value):
        raise ValueError(
            "must not name a registry: an engine asks its mirrors for images of Docker's own registry only"
        )
    return value


Address = Annotated[str, AfterValidator(_is_address)]
Network = Annotated[str, AfterValidator(_is_network)]
HostAddress = Annotated[str, AfterValidator(_is_address_of_a_host)]
MirroredImage = Annotated[Image, AfterValidator(_is_served_by_mirrors)]
