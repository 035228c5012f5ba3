"""The interface of every connection to a host."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from runbook_lib.grace_periods import COMMAND_AFTER_INTERRUPT

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from runbook_lib.connections.output_budget import OutputLimit
    from runbook_lib.connections.output_buffer import OpenSpool
    from runbook_lib.connections.persistent_process import PersistentProcess
    from runbook_lib.model.commands import Command, DockerQuery, Output
    from runbook_lib.model.host import Host
    from runbook_lib.secrets import Secrets

__all__ = ["CommandWait", "Connection", "ConnectionInfo"]


class CommandWait:
    """Limit the wait for one exchange with a host, from now on.

    Args:
        timeout: Seconds.
        cancel: Once set, the wait ends after another `COMMAND_AFTER_INTERRUPT` seconds; None: it cannot be interrupted.
        to_start: Seconds that the host gets in addition to start a command; see `started`.
    """

    def __init__(
        self, timeout: float, cancel: threading.Event | None = None, *, to_start: float = 0.0
    ) -> None:
        self._timeout = timeout
        self._to_start = to_start
        self._cancel = cancel
        self._deadline = time.monotonic() + timeout + to_start
        self._grace: float | None = None

    def expired(self, margin: float = 0.0) -> str:
        """Return why the wait is over; empty while there is time left.

        Args:
            margin: Seconds by which the wait may be exceeded.
        """
        now = time.monotonic() - margin
        if self.interrupted and self._grace is None:
            self._grace = time.monotonic() + COMMAND_AFTER_INTERRUPT
        if self._grace is not None and now > self._grace:
            return "interrupted before the exit status arrived"
        if now > self._deadline:
            return f"still running after {self._timeout:g} s"
        return ""

    def started(self) -> None:
        """Note that the host has started the command: from now on the timeout alone counts."""
        self._deadline = min(self._deadline, time.monotonic() + self._timeout)
        self._to_start = 0.0

    @property
    def interrupted(self) -> bool:
        """Whether the run was interrupted."""
        return self._cancel is not None and self._cancel.is_set()

    @property
    def silence(self) -> str:
        """The text for a message once the wait is over and the host has not answered."""
        if self.interrupted:
            return "no answer before the interrupt"
        return f"no answer within {self._timeout + self._to_start:g} s"

    @property
    def left(self) -> float:
        """Seconds left, as far as is known now; 0 once the wait is over."""
        ends = self._deadline if self._grace is None else min(self._deadline, self._grace)
        return max(0.0, ends - time.monotonic())

    def within(self, seconds: float) -> CommandWait:
        """Return a wait that is over with this one, and after these seconds at the latest."""
        return CommandWait(min(seconds, self.left), self._cancel)


@dataclass(frozen=True)
class ConnectionInfo:
    """An established connection.

    Args:
        number: Ordinal of this connection among all that this run made to the host, from 1.
        host_key: Type and SHA-256 fingerprint of the verified host key, as `ssh-keygen -l` prints them.
        address: Where the host was reached; None: at the inventory's address. `port` likewise.
        port: TCP port.
        bastions: Machines on the way, the first one first: user, address, port and the verified host key of each.
    """

    number: int
    host_key: str
    address: str | None = None
    port: int | None = None
    bastions: tuple[str, ...] = ()


class Connection(ABC):
    """A connection to one host; used by one thread at a time.

    Args:
        host: The inventory's host.
        secrets: Resolves the host's sudo password.

    Raises:
        SecretError: The sudo password cannot be resolved.
    """

    on_this_machine: ClassVar[bool] = False
    """Whether commands run on the machine of the run itself, whatever the host's address says."""

    always_established: ClassVar[bool] = False
    """Whether commands need an `established` connection: then the journal records one before the first command."""

    @classmethod
    def machine(cls, host: Host) -> str:
        """Return what two names of one machine have in common: its address, and the network it is reached from."""
        if cls.on_this_machine:
            return "this machine"
        return f"{host.network_namespace or ''} {host.proxy_command or ''} {host.target}:{host.port}"

    @abstractmethod
    def __init__(self, host: Host, secrets: Secrets) -> None: ...

    @property
    @abstractmethod
    def host(self) -> Host:
        """The inventory's host."""

    @property
    @abstractmethod
    def established(self) -> ConnectionInfo | None:
        """The latest established connection; None before the first, and for hosts that need no connection."""

    @abstractmethod
    def open(self, wait: CommandWait | None = None) -> None:
        """Connect unless connected already.

        Args:
            wait: When to give up; None: only the host's `connect_timeout` limits the attempt.

        Raises:
            UnreachableError: The host cannot be reached; with the reason and a hint.
        """

    @abstractmethod
    def render(self, command: Command) -> str:
        """Return the exact text that `run` sends."""

    @abstractmethod
    def run(
        self,
        command: Command,
        cancel: threading.Event,
        open_spool: OpenSpool | None = None,
        limit: OutputLimit | None = None,
    ) -> Output:
        """Send a command and wait until it exits; a host that does not answer is disconnected when the time is up.

        Args:
            command: What to send.
            cancel: Once set, stop waiting after another `COMMAND_AFTER_INTERRUPT` seconds.
            open_spool: Opens the spool for a stream larger than `MAX_BUFFERED_BYTES`; None: keep all of it in memory.
            limit: How much the command may print; beyond it, stop waiting. None: no limit.

        Returns:
            Output and exit code; if `still_running`, call `stop` next.

        Raises:
            UnreachableError: The command could not be sent. If the connection breaks later, `Output.problem` says so
                and the exit code is None.
        """

    @abstractmethod
    def stop(self, command: Command, send: Callable[[Command], Output]) -> str:
        """Terminate on the host what the last `run` left running, or name it if it is not safe to interrupt.

        Args:
            command: The command that is still running.
            send: Sends and records the commands that terminate it.

        Returns:
            A message: what was done, and whether termination was confirmed.

        Raises:
            UnreachableError: The connection is lost.
        """

    @abstractmethod
    def query_docker(
        self, query: DockerQuery, cancel: threading.Event, limit: OutputLimit | None = None
    ) -> Output:
        """Query the host's Docker engine.

        Args:
            query: The query; its timeout is for the complete answer.
            cancel: As for `run`.
            limit: How large the answer may be; never more than `MAX_BUFFERED_BYTES`.

        Returns:
            The answer as JSON in `stdout`; exit code 1 if the object does not exist.

        Raises:
            FactUnavailable: No Docker engine answers, or its answer takes too long or is too large.
            UnreachableError: The connection is lost.
        """

    @abstractmethod
    def start_persistent(
        self, command: Command, cancel: threading.Event
    ) -> tuple[Output, PersistentProcess | None]:
        """Start a command that keeps running after its first answer, at most as long as this connection.

        Args:
            command: The command; its timeout is for the first answer.
            cancel: As for `run`.

        Returns:
            Its output so far, and the running process, or None if it has exited.

        Raises:
            UnreachableError: The command could not be sent.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connection; the next `open` establishes a new one."""
