"""TCP ports answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runbook_lib.errors import ParameterError
from runbook_lib.facts.ports import PortOpen
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Answer", "answer"]

_LAST = 65535


@dataclass(frozen=True)
class Answer(Probe):
    """A TCP port accepts connections.

    Args:
        port: TCP port.
        address: Name or IP address; empty: the step's host.
        asked_from: `here`: this machine connects, over the network; `host`: the step's host does.
        wait: Seconds until the port must answer.

    Raises:
        ParameterError: There is no such port.
    """

    port: int
    address: str = ""
    asked_from: Literal["here", "host"] = "here"
    wait: float = 10.0

    def __post_init__(self) -> None:
        """Refuse a port that does not exist."""
        if not 1 <= self.port <= _LAST:
            raise ParameterError(f"there is no port {self.port}", hint="from 1 to 65535")

    @property
    def settle(self) -> float:
        """A service that was just started may need some seconds."""
        return self.wait

    def facts(self) -> Sequence[Fact[Any]]:
        """Return whether it accepts connections."""
        return (PortOpen(self.port, self.address, self.asked_from),)

    def verify(self, facts: Facts) -> list[Check]:
        """Check that it does."""
        problem = facts[PortOpen(self.port, self.address, self.asked_from)]
        place = "this machine" if self.asked_from == "here" else "the host"
        target = f"port {self.port}" + (f" of {self.address}" if self.address else "")
        return [Check(f"{target}, from {place}", "open", problem or "open", not problem, "ports.answer")]


answer = Answer
