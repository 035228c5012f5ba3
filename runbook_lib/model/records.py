"""Records of commands, steps and runs.

All records are immutable and can be written as JSON. The status of a new record is `unknown`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from runbook_lib.model.kinds import CommandKind, StepKind, current_kind
from runbook_lib.model.plans import Change, Check
from runbook_lib.model.status import Mode, Status, worst

__all__ = [
    "SCHEMA_VERSION",
    "CommandRecord",
    "HostRecord",
    "RunRecord",
    "StepRecord",
    "StreamRecord",
]

SCHEMA_VERSION = 3
"""Version of the records and of the four tables built from them."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StreamRecord(_Record):
    """Head and tail of one output stream; a longer output is stored in full in `output/` under its hash.

    Args:
        size: Size of the full output in bytes, as UTF-8.
        sha256: Hash of the full output.
        complete: Whether `head` is the full output.
    """

    head: str = ""
    tail: str = ""
    size: int = 0
    sha256: str = ""
    complete: bool = True


class CommandRecord(_Record):
    """One command as sent, and its result; `exit_code` is None if it is unknown."""

    number: int
    kind: Annotated[CommandKind, BeforeValidator(current_kind)]
    text: str
    stdin: str | None = None
    purpose: str = ""
    attempt: int = 1
    started: AwareDatetime
    ended: AwareDatetime | None = None
    exit_code: int | None = None
    accepted: bool = False
    problem: str = ""
    stdout: StreamRecord = StreamRecord()
    stderr: StreamRecord = StreamRecord()


class HostRecord(_Record):
    """One step on one host.

    Args:
        proven: For a resumed run, the earlier run in which this step succeeded on this host, if any.
        undoes: For a step that rolls back a transaction: numbers of the steps whose changes it rolled back here.
    """

    host: str
    address: str
    kind: str
    operation: str = ""
    status: Status = Status.UNKNOWN
    message: str = ""
    proven: str = ""
    undoes: list[int] = Field(default_factory=list)
    attempt: int = 1
    started: AwareDatetime | None = None
    ended: AwareDatetime | None = None
    changes: list[Change] = Field(default_factory=list)
    checks: list[Check] = Field(default_factory=list)
    facts: dict[str, Any] = Field(default_factory=dict)
    commands: list[CommandRecord] = Field(default_factory=list)


class StepRecord(_Record):
    """One step on all its hosts."""

    number: int
    title: str
    kind: StepKind = "operation"
    started: AwareDatetime
    ended: AwareDatetime | None = None
    hosts: list[HostRecord] = Field(default_factory=list)

    @property
    def status(self) -> Status:
        """The worst status of all hosts."""
        return worst([host.status for host in self.hosts])

    def _ipython_display_(self) -> None:
        """Show nothing as the value of a cell: the step's card is shown already."""


class RunRecord(_Record):
    """One run, as its journal or its notebook records it.

    Args:
        status: From the end-of-run line of the journal; `unknown` without one.
        pid_began: Start time of process `pid`, in clock ticks since the boot `boot` of its machine.
        message: Why the run ended with this status, if no step says so.
        resumes: The run that this run resumes, if any.
        resumes_sha256: The SHA-256 of that run's journal, as this run read it.
        inventory_sha256: The SHA-256 of the inventory file, or of what a program printed; empty if the hosts come
            from neither.
        inventory_kind: What the inventory is: `yaml`, `ansible`, `json`, `ssh_config` or `program`.
        endpoints: By host, how the inventory says that the host is reached: connection, address, user, port, proxy.
        notebook_file: `path` and `sha256` of the notebook file that is executed, and `source_sha256` of what in it is
            approved; empty if it is not known.
        unit: Id of the fleet job that this run carried out; empty if there was none.
        incomplete: What is missing from or wrong with the evidence; empty if it is complete.
        exposed_secrets: Which secrets were recorded in plain text before the run knew that they are secret, and where;
            empty if none was. From the journal only.
    """

    schema_version: int = SCHEMA_VERSION
    run: str
    runbook: str
    title: str = ""
    mode: Mode
    status: Status = Status.UNKNOWN
    started: AwareDatetime
    ended: AwareDatetime | None = None
    operator: str = ""
    machine: str = ""
    pid: int = 0
    pid_began: int = 0
    boot: str = ""
    source: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    inventory: str = ""
    hosts: list[str] = Field(default_factory=list)
    lab: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    on_failure: str = "stop"
    resumes: str | None = None
    resumes_sha256: str = ""
    inventory_sha256: str = ""
    inventory_kind: str = ""
    endpoints: dict[str, dict[str, Any]] = Field(default_factory=dict)
    notebook_file: dict[str, str] = Field(default_factory=dict)
    unit: str = ""
    steps: list[StepRecord] = Field(default_factory=list)
    message: str = ""
    incomplete: str = ""
    exposed_secrets: str = ""

    def _ipython_display_(self) -> None:
        """Show nothing as the value of a cell: the run's card is shown already."""
