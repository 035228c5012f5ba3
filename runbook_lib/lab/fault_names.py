"""The faults that a lab can have: their names, and which host can have which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.books.docker.faults import DRILL_GROUP, HOST_FAULTS
from runbook_lib.errors import InputError
from runbook_lib.known_names import complete_name
from runbook_lib.lab.hosts.registry import host_class

if TYPE_CHECKING:
    from runbook_lib.lab.state import LabState

__all__ = ["FAULTS", "Fault", "drill_faults", "parse_fault"]

_LAB = {
    "cable": "the hosts cannot reach each other",
    "unplug": "the cable of the host's first interface is unplugged",
    "power": "the host's power is cut",
    "docker-down": "the Docker engine is stopped",
}

FAULTS = ("cable", *(f"{name}:HOST" for name in (*_LAB, *HOST_FAULTS) if name != "cable"))
"""Every fault, as `runbook lab break` takes it; HOST may be left out where only one host can have it."""


@dataclass(frozen=True)
class Fault:
    """A fault of a lab that is up.

    Args:
        kind: Its name without the host.
        host: The host; empty for a fault of the switch.
    """

    kind: str
    host: str

    @property
    def name(self) -> str:
        """As it is kept in the lab's state."""
        return f"{self.kind}:{self.host}" if self.host else self.kind

    @property
    def description(self) -> str:
        """What is broken."""
        return HOST_FAULTS[self.kind].breaks if self.kind in HOST_FAULTS else _LAB[self.kind]


def parse_fault(fault: str, state: LabState) -> Fault:
    """Return the fault that a name means; without a host, that of the first host that can have it.

    Args:
        fault: One of `FAULTS`, with a host's name in place of HOST.
        state: The lab's state.

    Raises:
        InputError: The fault or the host is unknown, or this host cannot have this fault.
    """
    kind, separator, host = fault.partition(":")
    kind = complete_name(kind, [*_LAB, *HOST_FAULTS], kind="fault")
    if separator and kind == "cable":
        raise InputError("the fault 'cable' is one of the switch: it has no host", where=fault)
    host = complete_name(host, state.hosts, kind="host", where=fault) if separator else ""
    if kind == "cable":
        if not state.has_switch:
            raise InputError(
                "this lab has no switch",
                hint="the fault `cable` needs a host on the switch, such as a container",
            )
        return Fault(kind, "")
    if kind == "unplug" and host and not host_class(state.hosts[host].kind).uses_switch:
        raise InputError(
            f"{host} is not plugged into the lab's switch", hint=f"cut its power instead: power:{host}"
        )
    able = [name for name in state.hosts if _possible(kind, name, state)]
    if kind in HOST_FAULTS and host not in {"", *able}:
        raise InputError(
            f"{host} cannot have the fault {kind}",
            hint=f"hosts that can: {', '.join(able) or 'none of this lab'}",
        )
    if not host and kind not in HOST_FAULTS:
        raise InputError(
            f"unknown fault {fault!r}: it names no host", hint=f"as in {kind}:{next(iter(state.hosts))}"
        )
    if not able:
        raise InputError(f"no host of this lab can have the fault {kind}")
    return Fault(kind, host or able[0])


def _possible(kind: str, host: str, state: LabState) -> Fault | None:
    """Return a fault of a host if the host can have it, else None."""
    if kind == "cable":
        return Fault(kind, "") if state.has_switch else None
    if kind == "unplug":
        return Fault(kind, host) if host_class(state.hosts[host].kind).uses_switch else None
    group = HOST_FAULTS[kind].group if kind in HOST_FAULTS else ""
    return Fault(kind, host) if not group or host in state.groups.get(group, ()) else None


def drill_faults(state: LabState) -> list[str]:
    """Return the faults that `random` chooses from: those of the hosts at which the drill looks; without such, all.

    Args:
        state: The lab's state.
    """
    hosts = state.groups.get(DRILL_GROUP) or list(state.hosts)
    return [
        found.name
        for name in FAULTS
        for host in (hosts if name.endswith(":HOST") else ("",))
        if (found := _possible(name.removesuffix(":HOST"), host, state)) and found.name not in state.faults
    ]
