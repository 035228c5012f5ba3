"""systemd services: running, and reloaded or restarted after a change.

Whether a service has taken over a file is read from the host: from the time of its last start or reload, and that of
the file's last change. So a run that was cut off between the two is noticed by the next one.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.file import FileState
from runbook_lib.facts.service import NeedsDaemonReload, Service, UnreadFiles, full_name
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan
from runbook_lib.model.records import StepRecord
from runbook_lib.model.status import Status
from runbook_lib.operations.base import Operation
from runbook_lib.operations.settings_file import SettingsFile
from runbook_lib.operations.undo import forget_failures

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.host_settings import Host

__all__ = ["DropIn", "Refreshed", "Running", "Trigger", "drop_in", "reloaded", "restarted", "running"]

Trigger = StepRecord | Sequence[StepRecord] | bool
"""What makes a reload necessary: steps that may have changed something, or a decision."""

_CHANGES = {Status.CHANGED, Status.PLANNED}
_OF_CONTENTS = {"files.contents", "service.drop_in", "registry.authority"}  # checks of a file's contents


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
        if state.static and not state.enabled:
            raise PlanRefused(
                f"{self.unit} cannot be enabled: it has no section [Install], and no other unit starts it",
                hint="name the unit that starts it, such as its timer or socket, or add the section to its file",
            )
        commands = []
        if not state.enabled:
            commands.append(Command(("systemctl", "enable", self.unit), sudo=True, purpose="start at boot"))
        if state.active != "active":
            commands.append(forget_failures(self.unit))
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
        unit: As `docker-registry` or `docker-registry.service`.
        text: The file, with its sections: `[Service]`.
    """

    unit: str
    text: str

    def __post_init__(self) -> None:
        """Complete the unit's name: systemd reads the drop-in files of `nginx.service.d`, and none of `nginx.d`."""
        object.__setattr__(self, "unit", full_name(self.unit))

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the file, and whether systemd has read it."""
        return (self._file.state, NeedsDaemonReload(self.unit))

    def plan(self, facts: Facts) -> Plan:
        """Write the file, and have systemd read it."""
        reload = Command(("systemctl", "daemon-reload"), sudo=True, purpose="systemd reads its units again")
        written = self._file.plan(facts, then=(reload,))
        if not written.commands and facts[NeedsDaemonReload(self.unit)]:
            return Plan(commands=(reload,), after_rollback=(reload,))
        return written

    def verify(self, facts: Facts) -> list[Check]:
        """Check the file, and that systemd has read it."""
        unread = facts[NeedsDaemonReload(self.unit)]
        observed = "not since the files of the unit were changed" if unread else "yes"
        return [
            self._file.check(facts, missing="no file", id="service.drop_in"),
            Check.equal(f"systemd has read the files of {self.unit}", "yes", observed, "service.unit_read"),
        ]

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
        needed: Whether there was a change in this run.
        reason: Why, for the reader.
        files: Files that the service reads. One that was changed after the service had read it makes the reload or
            restart necessary too, no matter who changed it.
    """

    unit: str
    verb: Literal["reload", "restart"] = "reload"
    needed: bool = True
    reason: str = ""
    files: tuple[str, ...] = ()

    @property
    def verifiable(self) -> bool:
        """Of a change that is not one of `files` no trace says whether an active service has taken it over."""
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
        """Return the unit's state, and which files it has not read."""
        return (Service(self.unit), *((self._unread,) if self.files else ()))

    def plan(self, facts: Facts) -> Plan:
        """Reload or restart the service if there was a change; start one that is to be restarted and is not active."""
        state = facts[Service(self.unit)]
        unread = facts[self._unread].summary if self.files else ""
        stopped = self.verb == "restart" and state.active != "active"
        if not (self.needed or unread or stopped):
            return Plan()
        if not state.loaded:
            raise PlanRefused(f"there is no unit {self.unit}", hint="install the software first")
        if self.verb == "reload" and state.active != "active":
            raise PlanRefused(
                f"{self.unit} is {state.active}: only an active service can be reloaded",
                hint="start the service in an earlier step (service.running), or use service.restarted",
            )
        reasons = (
            self.reason if self.needed else "",
            f"changed and not read: {unread}" if unread else "",
            f"the service is {state.active}" if stopped else "",
        )
        purpose = "; ".join(filter(None, reasons))
        command = Command(("systemctl", self.verb, self.unit), sudo=True, purpose=purpose)
        # One that has failed too often, as for want of its files, is not started before its failures are cleared. That
        # holds for an active one too: systemd may have just started it by itself, and counts all starts.
        clear = (forget_failures(self.unit),) if self.verb == "restart" else ()
        return Plan(commands=(*clear, command), after_rollback=(*clear, command))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the service is active, and has read its files; say so if there was nothing to do."""
        active = facts[Service(self.unit)].active
        checks = [Check.equal(f"{self.unit} is active", "active", active, "service.active")]
        if self.files:
            unread = facts[self._unread].summary
            observed = unread or ("none" if self.needed else f"none; {self.reason}")
            name = f"files that {self.unit} has not read since they were changed"
            checks.append(Check(name, "none", observed, holds=not unread, id="service.unread"))
        elif not self.needed:
            done = f"{self.verb} not needed: {self.reason}"
            checks.append(Check.equal(f"{self.verb} of {self.unit}", done, done, "service.refreshed"))
        return checks

    @property
    def _unread(self) -> UnreadFiles:
        return UnreadFiles(self.unit, self.files, self.verb)


def reloaded(name: str, *, when: Trigger = True) -> Callable[[Host], Operation]:
    """Return, for each host, the operation that reloads an active service there if there was a change.

    Args:
        name: The service, as `nginx` or `nginx.service`.
        when: The record of an earlier step, or several: reload where one of them has changed something, or may have
            done so in the run that is resumed. Steps that write a file (`files.content`, `service.drop_in`): also
            where the service was neither started nor reloaded after the file was last changed, which the host's own
            times show, so that a run that was cut off in between is made up for. Or whether to reload.
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
    unit = full_name(name)
    if isinstance(when, bool):
        reason = "asked for" if when else "the notebook says that nothing changed"
        return Refreshed(unit, verb, when, reason)
    steps = [when] if isinstance(when, StepRecord) else list(when)
    files = tuple(dict.fromkeys(path for step in steps for path in _files(step, host)))
    outcomes = [_outcome(step, verb, host) for step in steps]
    reasons = [reason for needed, reason in outcomes if needed]
    if reasons:
        return Refreshed(unit, verb, needed=True, reason="; ".join(reasons), files=files)
    reason = "; ".join(reason for _, reason in outcomes)
    return Refreshed(unit, verb, needed=False, reason=reason, files=files)


def _outcome(step: StepRecord, verb: str, host: Host) -> tuple[bool, str]:
    """Return whether a step makes a reload necessary on a host, and why."""
    title = f"step {step.number} ({step.title})"
    record = next((record for record in step.hosts if record.host == host.name), None)
    if record is None:
        return False, f"{title} did not concern this host"
    if record.status in _CHANGES:
        return True, f"{title}: {record.status}"
    if record.proven and not _files(step, host):
        return True, f"{title} was done in {record.proven}, perhaps without this {verb}"
    return False, f"{title} changed nothing: {record.status}"


def _files(step: StepRecord, host: Host) -> list[str]:
    """Return the files that a step has written on a host, or found as they should be."""
    records = [
        record
        for record in step.hosts
        if record.host == host.name and any(check.id in _OF_CONTENTS for check in record.checks)
    ]
    return [path for record in records for path in FileState.recorded(record.facts)]


running = Running
drop_in = DropIn
