"""The host's clock against ours."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output

__all__ = ["ClockSkew"]


@dataclass(frozen=True)
class ClockSkew(Fact[float]):
    """Seconds the host's clock is ahead of this machine's; 0.0 where it lies between asking and answering."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("date", "+%s.%N"))

    def parse(self, output: Output) -> float:
        """Return the skew that is certain: what transmission time cannot explain."""
        try:
            told = float(output.stdout)
        except ValueError as problem:
            raise FactError(f"date printed {output.stdout!r}") from problem
        if told < output.started:
            return round(told - output.started, 3)
        return round(max(0.0, told - output.ended), 3)
