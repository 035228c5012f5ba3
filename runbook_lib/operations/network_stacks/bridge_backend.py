"""What `bridge.present` needs of the software that configures a host's network; one subclass for each."""

from __future__ import annotations

import ipaddress
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from runbook_lib.facts.interface_manager import InterfaceManager, Manager
from runbook_lib.facts.interfaces import Interface, Interfaces

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.operations.commit_confirm import GuardedChange

__all__ = ["BridgeBackend", "Wanted", "find_interface", "normalized"]


@dataclass(frozen=True)
class Wanted:
    """The bridge as it should be; as the arguments of `bridge.present`.

    Args:
        name: The bridge's name.
        port: The physical interface's name.
        address: The host's own address with prefix length.
        gateway: Default gateway; None: the configured one is kept.
        nameservers: Name servers; empty: the configured ones are kept.
    """

    name: str
    port: str
    address: str
    gateway: str | None = None
    nameservers: tuple[str, ...] = ()


class BridgeBackend(ABC):
    """The configuration of a bridge and its port on one host, by one kind of software.

    Args:
        wanted: The bridge as it should be.
        facts: The facts of `needed_facts`, and those of `bridge.present` itself.
    """

    name: ClassVar[str]
    """As `facts.interface_manager` has it."""
    boot_unit: ClassVar[str]
    """The systemd unit that configures the network at boot: an unconfirmed change is reverted before it starts."""

    def __init__(self, wanted: Wanted, facts: Facts) -> None:
        self.wanted = wanted
        self.facts = facts

    @classmethod
    @abstractmethod
    def needed_facts(cls, wanted: Wanted, facts: Facts) -> Sequence[Fact[Any]]:
        """Return the facts that this backend needs; called again once these have been read.

        Args:
            wanted: The bridge as it should be.
            facts: What has been read so far.
        """

    @property
    @abstractmethod
    def title(self) -> str:
        """What the configuration is in, for the check's name: a path."""

    @abstractmethod
    def missing(self) -> list[str]:
        """Return the lines or settings that the configuration lacks; empty: it is the desired one."""

    def conflicts(self) -> list[str]:
        """Return the lines that make another network at boot, though none is missing."""
        return []

    @abstractmethod
    def addresses(self) -> tuple[str, ...]:
        """Return all addresses that the bridge will have, IPv4 and IPv6: the given one and those of the port."""

    @property
    @abstractmethod
    def mtu(self) -> int | None:
        """The MTU that is configured; None: none is."""

    @abstractmethod
    def refuse(self) -> None:
        """Refuse a configuration that cannot be changed without loss.

        Raises:
            PlanRefused: With what stands in the way.
        """

    @abstractmethod
    def change(self, timeout: float) -> GuardedChange:
        """Return the change; the configuration was not refused.

        Args:
            timeout: Seconds until the host reverts it.
        """

    @property
    def port(self) -> Interface | None:
        """The port as it is."""
        return find_interface(self.facts, self.wanted.port)

    @property
    def bridge(self) -> Interface | None:
        """The bridge as it is."""
        return find_interface(self.facts, self.wanted.name)

    @property
    def mac(self) -> str:
        """The port's hardware address, for the bridge; empty if not known."""
        return self.port.mac if self.port else ""

    @property
    def managers(self) -> tuple[Manager, Manager]:
        """Who manages the port, and the bridge."""
        return self.facts[InterfaceManager(self.wanted.port)], self.facts[InterfaceManager(self.wanted.name)]


def find_interface(facts: Facts, name: str) -> Interface | None:
    """Return the interface of a name.

    Args:
        facts: Among them `Interfaces`.
        name: As `em1`.
    """
    return next((item for item in facts[Interfaces()] if item.name == name), None)


def normalized(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return addresses in the kernel's form, without duplicates; what is not an address is left out.

    >>> normalized(["FD07::0031/64", "192.0.2.1/24", "192.0.2.1/24", "dhcp"])
    ('fd07::31/64', '192.0.2.1/24')
    """
    found: dict[str, None] = {}
    for text in addresses:
        try:
            found[str(ipaddress.ip_interface(text))] = None
        except ValueError:
            continue
    return tuple(found)
