"""systemd services and timers."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of
from runbook_lib.model.commands import Command, Output

__all__ = ["Service", "ServiceState"]


@dataclass(frozen=True)
class ServiceState:
    """A unit's state as systemd reports it.

    Args:
        loaded: Whether the unit exists.
        active: `active`, `inactive`, `failed`, `activating`, …
        enabled: Whether it starts with the host.
    """

    loaded: bool
    active: str
    enabled: bool


@dataclass(frozen=True)
class Service(Fact[ServiceState]):
    """A unit's state.

    Args:
        unit: As `docker.service`.
    """

    unit: str

    def request(self) -> Command:
        """Return the command; it exits with 0 for unknown units too."""
        return Command(
            ("systemctl", "show", "--property=LoadState,ActiveState,UnitFileState", "--", self.unit)
        )

    def parse(self, output: Output) -> ServiceState:
        """Return the state."""
        values = dict(line.split("=", 1) for line in lines_of(output.stdout) if "=" in line)
        try:
            return ServiceState(
                loaded=values["LoadState"] == "loaded",
                active=values["ActiveState"],
                enabled=values.get("UnitFileState") in {"enabled", "enabled-runtime", "static", "generated"},
            )
        except KeyError as missing:
            raise FactError(f"systemctl show: {missing} is missing in the output") from missing
