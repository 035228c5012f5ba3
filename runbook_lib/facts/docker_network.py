"""Docker's networks."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.facts.base import Fact, load_json, parsing, typed
from runbook_lib.model.commands import DockerQuery, Output

__all__ = ["Network", "NetworkState"]


@dataclass(frozen=True)
class NetworkState:
    """One network.

    Args:
        driver: As `bridge`.
        bridge: The bridge on the host, if the network's options name it.
        subnet: As `192.168.0.0/20`; empty if the network has none.
        address_range: The range of container addresses, if narrower than the subnet.
        managed: Whether a runbook made it.
        gateway: The address that containers have as their gateway; empty if the network's settings name none.
        attachable: Whether a container may join this swarm network by itself.
        encrypted: Whether an overlay's traffic between hosts is encrypted.
        vni: An overlay's VXLAN network identifier, which separates it from other overlays; empty for other drivers.
    """

    driver: str
    bridge: str
    subnet: str
    address_range: str
    managed: bool
    gateway: str = ""
    attachable: bool = False
    encrypted: bool = False
    vni: str = ""


@dataclass(frozen=True)
class Network(Fact[NetworkState | None]):
    """A network by name; None if it does not exist.

    Args:
        name: As `bridge`, the default network.
    """

    name: str

    def request(self) -> DockerQuery:
        """Return the query."""
        return DockerQuery("inspect_network", (self.name,))

    def parse(self, output: Output) -> NetworkState | None:
        """Return the network's state."""
        inspected = load_json(output, "docker network inspect")
        if inspected is None:
            return None
        with parsing(f"docker network inspect of {self.name}"):
            options = typed(dict, inspected.get("Options") or {})
            pools = (inspected.get("IPAM") or {}).get("Config") or [{}]
            return NetworkState(
                driver=typed(str, inspected["Driver"]),
                bridge=typed(str, options.get("com.docker.network.bridge.name", "")),
                subnet=typed(str, pools[0].get("Subnet", "")),
                address_range=typed(str, pools[0].get("IPRange", "")),
                # Some versions show a gateway that the engine has chosen with the subnet's prefix.
                gateway=typed(str, pools[0].get("Gateway", "")).partition("/")[0],
                managed="io.runbook.network" in typed(dict, inspected.get("Labels") or {}),
                attachable=typed(bool, inspected.get("Attachable", False)),
                encrypted="encrypted" in options,
                vni=typed(str, options.get("com.docker.network.driver.overlay.vxlanid_list", "")),
            )

    def absent(self) -> None:
        """Return None: without an engine there are no networks."""
        return
