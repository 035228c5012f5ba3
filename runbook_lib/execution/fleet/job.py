"""A piece of work: one run to be made, wherever it is carried out, and what came of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from runbook_lib.model.status import Status

__all__ = ["Result", "Unit"]


class _AsJson:
    @property
    def json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))  # type: ignore[call-overload]

    @classmethod
    def of(cls, text: str) -> Self:
        """Return what a line of JSON tells."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Unit(_AsJson):
    """One run to be made; plain data, so that it can be sent to another process or machine.

    Args:
        id: Unique in the world: the fleet's id and a number.
        label: What people call it.
        runbook: The runbook's name.
        notebook: The notebook's path.
        values: Parameters given beyond the notebook's defaults.
        runs: The parameter `runs`: where its run directory goes.
        hosts: Names of its hosts.
        machines: The same as places to connect to: two names may be one machine.
        changes: Whether it may change them.
        after: Ids of the units that must have ended well before.
        project: The directory it is carried out in.
        fleet: The fleet's directory; empty where the run is made in this process.
    """

    id: str
    label: str
    runbook: str
    notebook: str
    values: dict[str, Any]
    runs: str
    hosts: list[str]
    machines: list[str]
    changes: bool
    after: list[str]
    project: str
    fleet: str = ""

    def excludes(self, other: Unit) -> bool:
        """Return whether the two must not run at the same time: one may change a machine of the other's."""
        return (self.changes or other.changes) and not set(self.machines).isdisjoint(other.machines)


@dataclass(frozen=True)
class Result(_AsJson):
    """What came of a unit.

    Args:
        unit: Its id.
        path: The run's directory; empty where no run was begun.
        status: The run's; `skipped` with a problem told where it was never begun.
        attempt: 2 and more after whoever carried it out has died.
        problem: What went wrong outside of any step, or why it was not begun, in words.
        note: What else is to be told of the attempts.
        machine: Where it was carried out.
        seconds: How long that took.
    """

    unit: str
    path: str = ""
    status: Status = Status.UNKNOWN
    attempt: int = 1
    problem: str = ""
    note: str = ""
    machine: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Take the status from its word."""
        object.__setattr__(self, "status", Status(self.status))
