"""The interface of every connection to a host."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from runbook_lib.errors import UnreachableError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from runbook_lib.connections.command_wait import CommandWait
    from runbook_lib.connections.output_budget import OutputLimit
    from runbook_lib.connections.output_buffer import OpenSpool
    from runbook_lib.connections.persistent_process import PersistentProcess
    from runbook_lib.host_settings import Host
    from runbook_lib.model.commands import Command, DockerQuery, Output
    from runbook_lib.secrets import Secrets

__all__ = ["Connection", "ConnectionInfo"]


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

    reads_ssh_files: ClassVar[bool] = False
    """Whether the host's private key and known_hosts are read on this machine: then they are checked before the run."""

    @classmethod
    def machine(cls, host: Host) -> str:
        """Return what two names of one machine have in common: its address, and the network it is reached from.

        Of a host that acts on something else, that is what two names have in common.
        """
        if host.acts_on:
            return f"acts on {host.acts_on}"
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

    def offer_identity(self, account: str, file: str) -> None:  # noqa: B027 - most connections log in nowhere
        """Log in with this private key too from the next `open` on, before the inventory's; default: nothing to do.

        Args:
            account: Only if this is the account that the connection logs in as.
            file: The private key's file on this machine.
        """

    def try_login(self, account: str, file: str, wait: CommandWait) -> None:  # noqa: ARG002 - for SSH
        """Log in to the host on the same way as this connection, with one private key only, and leave again.

        Args:
            account: The account to log in as.
            file: The private key's file on this machine.
            wait: When to give up.

        Raises:
            AuthenticationError: The host refuses the key.
            UnreachableError: The host cannot be reached, or not over SSH.
        """
        raise UnreachableError("the host is not reached over SSH", where=self.host.name)

    def can_send_together(self, command: Command) -> bool:  # noqa: ARG002 - for connections that can
        """Return whether a command may be sent together with others; False unless a connection can do that."""
        return False

    def reserve(self, commands: Sequence[Command], cancel: threading.Event) -> int:  # noqa: ARG002 - as above
        """Prepare to send commands together; return how many of them, from the first on: at least 1.

        Args:
            commands: Read-only commands, for each of which `can_send_together` holds.
            cancel: As for `run`.
        """
        return 1

    def send_ahead(self, commands: Sequence[Command]) -> None:
        """Send commands together, as many as `reserve` returned. `run` must be called for each, in the same order.

        Whatever goes wrong, `run` returns or raises it, and sends none of them again.
        """
        raise NotImplementedError

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
