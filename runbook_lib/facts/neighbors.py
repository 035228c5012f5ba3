"""Neighbors: the devices that a host has exchanged packets with on the networks it is connected to."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.facts.base import Fact, load_json, parsing, typed
from runbook_lib.model.commands import Command, Output

__all__ = ["Neighbor", "Neighbors"]

_CONFIGURED = {"PERMANENT", "NOARP"}  # ip-neighbour(8): entered by somebody, or nobody is asked


@dataclass(frozen=True)
class Neighbor:
    """A device that has answered on a network.

    Args:
        address: IP address.
        mac: Hardware address.
        interface: The interface by which it answered; the bridge, if the interface is a port of one.
    """

    address: str
    mac: str
    interface: str


@dataclass(frozen=True)
class Neighbors(Fact[tuple[Neighbor, ...]]):
    """The neighbors whose hardware address the kernel knows from an answer, a recent one or an older one.

    Two hosts that know the same device by the same addresses are connected to the same network.
    """

    def request(self) -> Command:
        """Return the command."""
        return Command(("ip", "-json", "neighbour", "show"))

    def parse(self, output: Output) -> tuple[Neighbor, ...]:
        """Return the neighbors in the kernel's order; without those that never answered or were configured."""
        listed = load_json(output, "ip neighbour")
        with parsing("ip neighbour"):
            return tuple(
                Neighbor(typed(str, item["dst"]), typed(str, item["lladdr"]).lower(), typed(str, item["dev"]))
                for item in typed(list, listed)
                if item.get("lladdr") and not _CONFIGURED.intersection(typed(list, item.get("state", [])))
            )
