"""A job: one run to be made, wherever it is executed; and its result."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from runbook_lib.errors import InputError
from runbook_lib.execution.notebook.outcome import exit_code_of_all, succeeded
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.execution.catalog import CatalogEntry
    from runbook_lib.yaml_files import YamlFile

__all__ = ["Job", "JobResult", "JobSpec", "exit_code_of_results"]


@dataclass(frozen=True)
class JobSpec:
    """A job before its parameters are checked.

    Args:
        entry: The runbook.
        values: Parameters beyond its defaults.
        source: The file that most of them come from, for error messages.
        label: What to call the job; the runbook's name if empty.
        listed_in: Where a file lists the job, for error messages; empty if none does.
    """

    entry: CatalogEntry
    values: dict[str, Any]
    source: YamlFile | None = None
    label: str = ""
    listed_in: str = ""


class _AsJson:
    @property
    def json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the object that a line of JSON describes."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Job(_AsJson):
    """One run to be made, as plain data, so that it can be sent to another process or machine.

    Args:
        id: Unique within the fleet, and worldwide once it belongs to one: the fleet's id and a number.
        label: What people call it.
        runbook: The runbook's name.
        notebook: The notebook's path.
        values: Parameters beyond the notebook's defaults.
        runs: The parameter `runs`: the parent of the run directory.
        hosts: Names of its hosts.
        machines: The same hosts as places to connect to: two names may be one machine. Empty if there
            is no other job.
        connections: The kinds of connection to them.
        changes: Whether it may change them.
        project: The project's directory.
        fleet: The fleet's directory; empty if the run is made in this process.
        checked: What the run must be opened with, as a `CheckedInput`'s fields; empty: nothing was checked.
    """

    id: str
    label: str
    runbook: str
    notebook: str
    values: dict[str, Any]
    runs: str
    hosts: list[str]
    machines: list[str]
    connections: list[str]
    changes: bool
    project: str
    fleet: str = ""
    checked: dict[str, Any] = field(default_factory=dict)

    def excludes(self, other: Job) -> bool:
        """Return whether the two must not run at the same time: one may change a machine that both use."""
        return (self.changes or other.changes) and not set(self.machines).isdisjoint(other.machines)


@dataclass(frozen=True)
class JobResult(_AsJson):
    """How a job ended.

    Args:
        job: The job's id.
        path: The run's directory; empty if no run was started.
        status: The run's status; of a job that was not run `interrupted` or `skipped`, with the reason in `problem`.
        attempt: 2 or more after the process of an earlier attempt died.
        problem: What went wrong outside of any step, or why the job was not run.
        note: How an earlier attempt was continued.
        skipped: Which steps the run skipped, and why; empty if it skipped none.
        mode: The run's.
        machine: Where it was executed.
        seconds: The duration of its run; None if its end was not recorded.
        interrupted: A signal stopped it; no further job may start, even if this one could still end well.
        later: The directories of the further runs that its notebook opened, as far as they are on this machine.
        bad_input: Its input was refused before any host was touched.
    """

    job: str
    path: str = ""
    status: Status = Status.UNKNOWN
    attempt: int = 1
    problem: str = ""
    note: str = ""
    skipped: str = ""
    mode: str = ""
    machine: str = ""
    seconds: float | None = None
    interrupted: bool = False
    later: tuple[str, ...] = ()
    bad_input: bool = False

    def __post_init__(self) -> None:
        """Convert the status and the tuple from their JSON text."""
        object.__setattr__(self, "status", Status(self.status))
        object.__setattr__(self, "later", tuple(self.later))

    @property
    def succeeded(self) -> bool:
        """Whether jobs that come after this one may start: a run was made, and its status is a success."""
        return bool(self.path) and succeeded(self.status)


def exit_code_of_results(results: Sequence[JobResult]) -> int:
    """Return the exit code for several jobs: that of the worst; for bad input only if no run was begun at all."""
    if any(result.bad_input for result in results) and not any(result.path for result in results):
        return InputError.exit_code
    return exit_code_of_all([result.status for result in results])
