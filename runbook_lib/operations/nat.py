"""Ports of the host that the engine's firewall rules forward to a container (book S3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.facts.container import Container
from runbook_lib.facts.docker_engine import EngineInfo
from runbook_lib.facts.nat import IptablesBackend, NatRules
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Forwarded", "firewall_backend", "forwarded"]


def firewall_backend(engine: str, iptables: str) -> str:
    """Return what the engine writes its firewall rules with, as `iptables (nf_tables)`; empty if that is not known.

    Args:
        engine: What the engine says (`EngineSummary.firewall`); engines before 28 say nothing.
        iptables: What the host's iptables writes to (`IptablesBackend`).
    """
    name = engine or ("iptables" if iptables else "")
    return f"{name} ({iptables})" if iptables and name.startswith("iptables") else name


@dataclass(frozen=True)
class Forwarded(Probe):
    """A rule of the host's firewall forwards a TCP port of the host to a container.

    Args:
        port: The host's port.
        container: The container's name.
        target: The container's port.
    """

    port: int
    container: str
    target: int

    @property
    def settle(self) -> float:
        """A container that was just started gets its address, and the rule, a moment later."""
        return 10.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the container, the firewall backend and the rules."""
        return (Container(self.container), EngineInfo(), IptablesBackend(), NatRules())

    def verify(self, facts: Facts) -> list[Check]:
        """Check the backend, whose rules must be readable, and the rule."""
        info = facts[EngineInfo()]
        backend = firewall_backend(info.firewall if info else "", facts[IptablesBackend()])
        written = Check(
            "the engine writes firewall rules with",
            "iptables",
            backend or "an unknown program: there is no iptables on the host",
            holds=backend.startswith("iptables"),
            id="nat.backend",
        )
        if not written.holds:  # what another backend has written cannot be read here
            return [written]
        container = facts[Container(self.container)]
        addresses = [address for address in container.networks.values() if address] if container else []
        wanted = [f"{address}:{self.target}" for address in addresses]
        rules = [rule for rule in facts[NatRules()] if (rule.protocol, rule.port) == ("tcp", self.port)]
        rule = Check(
            f"NAT rule for port {self.port} of the host",
            f"to {self.container} at {' or '.join(wanted) or 'an address, and the container has none'}",
            ", ".join(f"to {rule.target}" for rule in rules) or "none",
            holds=any(rule.target in wanted for rule in rules),
            id="nat.rule",
        )
        return [written, rule]


forwarded = Forwarded
