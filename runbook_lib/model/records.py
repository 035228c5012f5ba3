"""The words of a run as data: commands, outputs, checks and the records a step leaves.

Everything here is immutable and can be written as JSON. A record's status starts as `unknown`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

__all__ = [
    "SCHEMA_VERSION",
    "Change",
    "Check",
    "Command",
    "CommandRecord",
    "DockerQuery",
    "HostRecord",
    "Mode",
    "NetworkGuard",
    "Output",
    "Plan",
    "Reboot",
    "RunRecord",
    "Status",
    "StepRecord",
    "StreamRecord",
    "worst",
]

SCHEMA_VERSION = 1
"""Version of the records and of the four tables made from them."""


class Mode(StrEnum):
    """What a run may do."""

    PLAN = "plan"
    APPLY = "apply"
    VALIDATE = "validate"


class Status(StrEnum):
    """The outcome of a step on a host, and of a run."""

    OK = "ok"
    CHANGED = "changed"
    PLANNED = "planned"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"

    @property
    def good(self) -> bool:
        """Whether this outcome is a success; `skipped` and `unknown` are none."""
        return self in {Status.OK, Status.CHANGED, Status.PLANNED}


_FROM_BEST = [
    Status.OK,
    Status.SKIPPED,
    Status.PLANNED,
    Status.CHANGED,
    Status.FAILED,
    Status.UNREACHABLE,
    Status.INTERRUPTED,
    Status.UNKNOWN,
]


def worst(statuses: list[Status]) -> Status:
    """Return the status that decides for many; of nothing it is `unknown`. A skip decides only where all are."""
    done = [status for status in statuses if status is not Status.SKIPPED]
    return max(done or statuses, key=_FROM_BEST.index, default=Status.UNKNOWN)


@dataclass(frozen=True)
class Command:
    """One command to send to a host, as separate arguments: quoting happens in `text` alone.

    Args:
        argv: Program and arguments.
        stdin: Text for standard input; the way to hand over file contents.
        sudo: Run as root.
        accept: Exit codes that are no failure.
        timeout: Seconds.
        purpose: What a trainee should know about it.
        cuts_connection: The connection may break while it runs; its exit code is then unknown.
        asks_for_sudo: It is sent to learn whether there is sudo: its refusal is an answer.
        may_be_ended: It is ended on the host once the run does not wait for it any more. False where half of
            it is worse than all of it, as an installation: it is left running then, and no deadline but its
            own `timeout` ends the waiting.
    """

    argv: tuple[str, ...]
    stdin: str | None = None
    sudo: bool = False
    accept: tuple[int, ...] = (0,)
    timeout: float = 600.0
    purpose: str = ""
    cuts_connection: bool = False
    asks_for_sudo: bool = False
    may_be_ended: bool = True

    @property
    def text(self) -> str:
        """The command as it can be pasted into a shell, without `sudo`."""
        return shlex.join(self.argv)


@dataclass(frozen=True)
class DockerQuery:
    """A read-only question to a host's Docker engine, asked through the docker SDK.

    Args:
        method: The SDK's low-level method.
        arguments: Its positional arguments.
    """

    method: Literal[
        "info", "version", "inspect_container", "inspect_image", "inspect_network", "containers", "networks"
    ]
    arguments: tuple[str | bool, ...] = ()
    timeout: float = 60.0

    @property
    def text(self) -> str:
        """The query as it is shown and recorded."""
        return shlex.join(("docker-api", self.method, *map(str, self.arguments)))


@dataclass(frozen=True)
class Output:
    """What came back.

    Args:
        exit_code: None when it was never told: the connection broke, time ran out, the user stopped.
        problem: Why there is no exit code, in words.
        lost: The connection broke while the command ran.
        under_way: It had not ended when the waiting did: `Connection.stop` ends it.
        cut: More came than is held in memory: the streams are beginnings.
        started: Seconds since the epoch on this machine; with `ended` it brackets the host's clock.
    """

    exit_code: int | None
    stdout: str = ""
    stderr: str = ""
    started: float = 0.0
    ended: float = 0.0
    problem: str = ""
    lost: bool = False
    under_way: bool = False
    cut: bool = False


@dataclass(frozen=True)
class Check:
    """Something expected against what was observed."""

    name: str
    expected: str
    observed: str
    holds: bool

    @classmethod
    def equal(cls, name: str, expected: object, observed: object) -> Check:
        """Make a check that holds when both sides are equal."""
        return cls(name, str(expected), str(observed), expected == observed)


@dataclass(frozen=True)
class Change:
    """What a plan changes on a host, before and after, for the reader.

    Args:
        what: A file's path or another thing's name.
    """

    what: str
    before: str | None
    after: str | None


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StreamRecord(_Record):
    """Head and tail of one output stream; the whole is the head, or lies in `output/` by its hash.

    Args:
        size: Bytes of the whole, as UTF-8.
        sha256: Hash of the whole.
        complete: Whether `head` is the whole.
    """

    head: str = ""
    tail: str = ""
    size: int = 0
    sha256: str = ""
    complete: bool = True


class CommandRecord(_Record):
    """One command as sent and what came back; `exit_code` None means: never known."""

    number: int
    kind: Literal["fact", "change", "guard", "rollback", "shell", "ending"]
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
        proven: The run that this one goes on with and in which the step ended well on this host, if so.
    """

    host: str
    address: str
    kind: str
    operation: str = ""
    status: Status = Status.UNKNOWN
    message: str = ""
    proven: str = ""
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
    kind: Literal["operation", "facts", "shell"] = "operation"
    started: AwareDatetime
    ended: AwareDatetime | None = None
    hosts: list[HostRecord] = Field(default_factory=list)

    @property
    def status(self) -> Status:
        """The status that decides for all hosts."""
        return worst([host.status for host in self.hosts])

    def _ipython_display_(self) -> None:
        """Show nothing more as a cell's value: the step's card is there already."""


class RunRecord(_Record):
    """One run, as its journal or its notebook tells it.

    Args:
        status: From the journal's own end-of-run line; without it, `unknown`.
        pid_began: Start of process `pid`, in clock ticks since its machine's boot `boot`.
        message: Why the run ended as it did, where no step tells it.
        resumes: The run that this one goes on with, if any.
        unit: The piece of a fleet's work that this run is; empty where it is none.
        incomplete: What is missing or wrong with the evidence, in words; empty when it is whole.
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
    unit: str = ""
    steps: list[StepRecord] = Field(default_factory=list)
    message: str = ""
    incomplete: str = ""

    def _ipython_display_(self) -> None:
        """Show nothing more as a cell's value: the run's card is there already."""


@dataclass(frozen=True)
class NetworkGuard:
    """A change that may cut the network, put back by the host itself unless it is confirmed.

    Args:
        arm: Commands before the change: keep the old state, start the timer on the host.
        confirm: Commands over a new connection, once the checks hold.
        revert: Commands that put the old state back at once, where the host can still be reached.
        timeout: Seconds after which the host reverts by itself.
    """

    arm: tuple[Command, ...]
    confirm: tuple[Command, ...]
    revert: tuple[Command, ...]
    timeout: float


@dataclass(frozen=True)
class Reboot:
    """What goes around a plan whose commands reboot the host.

    Args:
        arm: Commands before the reboot, as the one-shot boot entry of a trial.
        confirm: Commands over a new connection, once the checks hold on the rebooted host.
        abandon: Commands that take back what `arm` left, where the checks do not hold.
        later: Names of the checks that hold only once confirmed.
        way_back: What brings an unreachable host back, for the messages.
        deadline: Seconds from the reboot until the host must answer with a new boot id.
        begun: Units that failed before a reboot that an earlier run began and did not confirm: the host is not
            rebooted again, only checked and confirmed. None: it is rebooted.
    """

    arm: tuple[Command, ...] = ()
    confirm: tuple[Command, ...] = ()
    abandon: tuple[Command, ...] = ()
    later: tuple[str, ...] = ()
    way_back: str = ""
    deadline: float = 600.0
    begun: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Plan:
    """Commands that bring a host from its facts to the desired state; none: it is there already."""

    commands: tuple[Command, ...] = ()
    changes: tuple[Change, ...] = ()
    rollback: tuple[Command, ...] = ()
    guard: NetworkGuard | None = field(default=None)
    reboot: Reboot | None = field(default=None)
