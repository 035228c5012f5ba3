"""What `firewall.rule` needs of the software that filters a host's packets; one subclass for each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from runbook_lib.facts.file import FileText
from runbook_lib.facts.service import Service

if TYPE_CHECKING:
    from runbook_lib.facts.base import Facts
    from runbook_lib.model.commands import Command

__all__ = ["DOCKER_USER", "FirewallBackend", "Kept", "WantedRule"]

DOCKER_USER = "DOCKER-USER"
"""The chain that Docker keeps for rules of the host's owner; packets to published ports pass it."""


@dataclass(frozen=True)
class WantedRule:
    """A rule as it should be; as the arguments of `firewall.rule`.

    Args:
        name: The rule's name.
        action: `accept`, `drop` or `reject`.
        port: Port of the host; None: any.
        protocol: `tcp` or `udp`.
        source: IPv4 network that the packets come from, with its prefix length; empty: any.
        interface: Interface that they arrive at; empty: any.
        chain: `INPUT`, `FORWARD` or `DOCKER-USER`.
        present: Whether the rule should be there at all.
    """

    name: str
    action: str
    port: int | None
    protocol: str
    source: str
    interface: str
    chain: str
    present: bool

    @property
    def comment(self) -> str:
        """The comment by which the rule is found again."""
        return f"runbook {self.name}"


@dataclass(frozen=True)
class Kept:
    """The file from which a host loads its rules at boot.

    Args:
        unit: The service that loads it: an unconfirmed change is reverted before it starts.
        path: The file.
    """

    unit: str
    path: str


class FirewallBackend(ABC):
    """The rules of one host, by one kind of software.

    Args:
        wanted: The rule as it should be.
        facts: Those of `firewall.rule`.
    """

    title: ClassVar[str]
    """The software, for people."""
    files: ClassVar[tuple[Kept, ...]]
    """Where rules may be kept, for every unit that loads them at boot; the first one in use counts."""

    def __init__(self, wanted: WantedRule, facts: Facts) -> None:
        self.wanted = wanted
        self.facts = facts

    @property
    def kept(self) -> Kept | None:
        """The file that is loaded at boot; None if none is."""
        return next(
            (
                item
                for item in self.files
                if self.facts[Service(item.unit)].enabled and self.facts[FileText(item.path)] is not None
            ),
            None,
        )

    @classmethod
    @abstractmethod
    def decides(cls, chain: str, facts: Facts) -> bool:
        """Return whether this software has a say about the packets of a chain already.

        Args:
            chain: As in `WantedRule`.
            facts: Those of `firewall.rule`.
        """

    @classmethod
    @abstractmethod
    def obstacle(cls, chain: str, facts: Facts) -> str:
        """Return why this software can have no rule on the host; empty if it can.

        Args:
            chain: As in `WantedRule`.
            facts: Those of `firewall.rule`.
        """

    @abstractmethod
    def refuse(self) -> None:
        """Refuse a chain that is not there, or not the only one.

        Raises:
            PlanRefused: With what stands in the way.
        """

    @abstractmethod
    def observed(self) -> str:
        """Return what the ruleset has of this rule: `present`, `absent`, or how it differs."""

    @abstractmethod
    def apply(self) -> str:
        """Return the shell lines that make the ruleset as it should be; empty if it is."""

    @abstractmethod
    def revert(self) -> str:
        """Return the shell lines that restore the ruleset; as good if `apply` was not, or not wholly, carried out."""

    @abstractmethod
    def edited(self, text: str) -> str:
        """Return the text of the kept file as it should be.

        Args:
            text: The file as it is.

        Raises:
            PlanRefused: The rule has no place in it.
        """

    @abstractmethod
    def test(self, text: str) -> Command:
        """Return the command that judges the new text of the kept file without loading it.

        Args:
            text: The file as it should be.
        """
