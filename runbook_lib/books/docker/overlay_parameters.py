"""Parameters of the runbook of names that follow containers, and of tenants that are kept apart."""

from __future__ import annotations

import ipaddress
import itertools
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from runbook_lib.books.docker.parameter_types import Name, Network
from runbook_lib.books.docker.redis_parameters import RedisAndClient

__all__ = ["OverlayNames"]


class OverlayNames(RedisAndClient):
    """Names that follow containers, on one host and across hosts, and tenants that are kept apart (S8)."""

    runbook: ClassVar[str] = "60_overlay_names"
    title: ClassVar[str] = "Names that follow containers, and tenants apart"

    names: Name = Field(default="names", description="User-defined network on the server's host.")
    names_subnet: Network = Field(
        default="10.77.0.0/24", description="Subnet of the network `names`; used nowhere else."
    )
    tenant: Name = Field(default="red", description="A tenant: its overlay network has this name.")
    tenant_subnet: Network = Field(default="10.77.1.0/24", description="Subnet of the tenant's network.")
    other_tenant: Name = Field(default="blue", description="Another tenant.")
    other_subnet: Network = Field(default="10.77.2.0/24", description="Subnet of the other tenant's network.")
    encrypted: bool = Field(
        default=False, description="Encrypt the traffic between hosts; needs ESP in every kernel."
    )

    endpoint: Literal["vip", "dnsrr"] = Field(
        default="dnsrr",
        description="How the name of a service leads to its containers; vip needs ip_vs in every kernel.",
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        networks = {
            self.names: self.names_subnet,
            self.tenant: self.tenant_subnet,
            self.other_tenant: self.other_subnet,
        }
        if len(networks) < 3 or {"bridge", "host", "none"} & set(networks):  # noqa: PLR2004 - one per field
            raise ValueError("names, tenant and other_tenant must be three different networks of their own")
        subnets = [ipaddress.ip_network(subnet) for subnet in networks.values()]
        if any(one.overlaps(other) for one, other in itertools.combinations(subnets, 2)):
            raise ValueError("names_subnet, tenant_subnet and other_subnet must not overlap")
        return self

    def subnet_of(self, tenant: str) -> str:
        """Return the subnet of a tenant's network.

        Args:
            tenant: One of the two tenants.
        """
        return {self.tenant: self.tenant_subnet, self.other_tenant: self.other_subnet}[tenant]
