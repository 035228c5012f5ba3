"""The host's clock compared with this machine's."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output

__all__ = ["ClockSkew"]


@dataclass(frozen=True)
class ClockSkew(Fact[float]):
    """Seconds that the host's clock is ahead; 0.0 if its time lies between the request and the answer."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("date", "+%s.%N"))

    def parse(self, output: Output) -> float:
        """Return the skew that transmission time cannot explain."""
        try:
            seconds = float(output.stdout)
        except ValueError as problem:
            raise FactError(f"date: unexpected output {output.stdout!r}") from problem
        if seconds < output.started:
            return round(seconds - output.started, 3)
        return round(max(0.0, seconds - output.ended), 3)
