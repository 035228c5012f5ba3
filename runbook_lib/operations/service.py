"""systemd services: running, and reloaded or restarted after a change."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.service import Service
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan
from runbook_lib.model.records import StepRecord
from runbook_lib.model.status import Status
from runbook_lib.operations.base import Operation
from runbook_lib.operations.settings_file import SettingsFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.host_settings import Host

__all__ = ["DropIn", "Refreshed", "Running", "Trigger", "drop_in", "reloaded", "restarted", "running"]

Trigger = StepRecord | Sequence[StepRecord] | bool
"""What makes a reload necessary: steps that may have changed something, or a decision."""

_CHANGES = {Status.CHANGED, Status.PLANNED}


@dataclass(frozen=True)
class Running(Operation):
    """A service is running and starts at boot.

    Args:
        unit: As `docker.service`.
    """

    unit: str

    @property
    def settle(self) -> float:
        """A service may need some seconds to be active."""
        return 20.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the unit's state."""
        return (Service(self.unit),)

    def plan(self, facts: Facts) -> Plan:
        """Enable and start the service where needed."""
        state = facts[Service(self.unit)]
        if not state.loaded:
            raise PlanRefused(f"there is no unit {self.unit}", hint="install the software first")
        commands = []
        if not state.enabled:
            commands.append(Command(("systemctl", "enable", self.unit), sudo=True, purpose="start at boot"))
        if state.active != "active":
            commands.append(
                Command(("systemctl", "reset-failed", self.unit), sudo=True, purpose="clear earlier failures")
            )
            commands.append(Command(("systemctl", "start", self.unit), sudo=True, purpose="start now"))
        return Plan(commands=tuple(commands))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the service is active and enabled."""
        state = facts[Service(self.unit)]
        return [
            Check.equal(f"{self.unit} is active", "active", state.active, "service.active"),
            Check.equal(
                f"{self.unit} starts at boot",
                expected=True,
                observed=state.enabled,
                id="service.enabled",
            ),
        ]


@dataclass(frozen=True)
class DropIn(Operation):
    """A drop-in file changes a service's unit, and systemd has read it. A running service keeps its old settings.

    The unit may still be missing: the file is then there before the software is installed and started.

    Args:
        unit: As `docker-registry.service`.
        text: The file, with its sections: `[Service]`.
    """

    unit: str
    text: str

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the file."""
        return (self._file.state,)

    def plan(self, facts: Facts) -> Plan:
        """Write the file, and have systemd read it."""
        reload = Command(("systemctl", "daemon-reload"), sudo=True, purpose="systemd reads its units again")
        return self._file.plan(facts, then=(reload,))

    def verify(self, facts: Facts) -> list[Check]:
        """Check the file."""
        return [self._file.check(facts, missing="no file", id="service.drop_in")]

    @property
    def _file(self) -> SettingsFile:
        path = f"/etc/systemd/system/{self.unit}.d/runbook.conf"
        return SettingsFile(path, self.text, "the folder of the unit's drop-in files")


@dataclass(frozen=True)
class Refreshed(Operation):
    """A service has taken over a change, and is active. Make one with `reloaded` or `restarted`.

    Args:
        unit: As `nginx.service`.
        verb: What systemd is asked for.
        needed: Whether there was a change.
        reason: Why, for the reader.
    """

    unit: str
    verb: Literal["reload", "restart"] = "reload"
    needed: bool = True
    reason: str = ""

    @property
    def verifiable(self) -> bool:
        """A reload leaves no trace: a service that is active may or may not have taken over the change."""
        return not self.needed

    @property
    def repeatable(self) -> bool:
        """A resumed run does it again if its steps have changed something again."""
        return True

    @property
    def settle(self) -> float:
        """A service may need some seconds to be active."""
        return 20.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the unit's state."""
        return (Service(self.unit),)

    def plan(self, facts: Facts) -> Plan:
        """Reload or restart the service if there was a change."""
        if not self.needed:
            return Plan()
        state = facts[Service(self.unit)]
        if not state.loaded:
            raise PlanRefused(f"there is no unit {self.unit}", hint="install the software first")
        if self.verb == "reload" and state.active != "active":
            raise PlanRefused(
                f"{self.unit} is {state.active}: only an active service can be reloaded",
                hint="start it in a step before (service.running), or use service.restarted",
            )
        command = Command(("systemctl", self.verb, self.unit), sudo=True, purpose=self.reason)
        return Plan(commands=(command,), after_rollback=(command,))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the service is active; say so if there was nothing to do."""
        active = facts[Service(self.unit)].active
        checks = [Check.equal(f"{self.unit} is active", "active", active, "service.active")]
        if not self.needed:
            done = f"{self.verb} not needed: {self.reason}"
            checks.append(Check.equal(f"{self.verb} of {self.unit}", done, done, "service.refreshed"))
        return checks


def reloaded(name: str, *, when: Trigger = True) -> Callable[[Host], Operation]:
    """Return, for each host, the operation that reloads an active service there if there was a change.

    Args:
        name: The service, as `nginx` or `nginx.service`.
        when: The record of an earlier step, or several: reload where one of them has changed something, or may have
            done so in the run that is resumed. Or whether to reload.
    """
    return functools.partial(_refreshed, name, "reload", when)


def restarted(name: str, *, when: Trigger = True) -> Callable[[Host], Operation]:
    """Return, for each host, the operation that restarts a service there if there was a change.

    Args:
        name: The service, as `nginx` or `nginx.service`.
        when: As for `reloaded`.
    """
    return functools.partial(_refreshed, name, "restart", when)


def _refreshed(name: str, verb: Literal["reload", "restart"], when: Trigger, host: Host) -> Operation:
    unit = name if "." in name else f"{name}.service"
    if isinstance(when, bool):
        reason = "asked for" if when else "the notebook says that nothing changed"
        return Refreshed(unit, verb, when, reason)
    steps = [when] if isinstance(when, StepRecord) else list(when)
    outcomes = [_outcome(step, verb, host) for step in steps]
    reasons = [reason for needed, reason in outcomes if needed]
    if reasons:
        return Refreshed(unit, verb, needed=True, reason="; ".join(reasons))
    return Refreshed(unit, verb, needed=False, reason="; ".join(reason for _, reason in outcomes))


def _outcome(step: StepRecord, verb: str, host: Host) -> tuple[bool, str]:
    """Return whether a step makes a reload necessary on a host, and why."""
    title = f"step {step.number} ({step.title})"
    record = next((record for record in step.hosts if record.host == host.name), None)
    if record is None:
        return False, f"{title} did not concern this host"
    if record.status in _CHANGES:
        return True, f"{title}: {record.status}"
    if record.proven:
        return True, f"{title} was done in {record.proven}, perhaps without this {verb}"
    return False, f"{title} changed nothing: {record.status}"


running = Running
drop_in = DropIn
