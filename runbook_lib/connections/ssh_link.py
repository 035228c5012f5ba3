"""The SSH connection to one host: established over bastions or a proxy command, and closed under a host that is silent.

No call returns later than its wait allows, whatever the host does: a call that is overdue ends because the transport is
closed under it.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

import paramiko

from runbook_lib import subprocess_termination
from runbook_lib.connections.base import ConnectionInfo
from runbook_lib.connections.bounded_call import OverdueError, abort_when_overdue, call_or_leave
from runbook_lib.connections.command_wait import CommandWait
from runbook_lib.connections.identity import close_agent
from runbook_lib.connections.login_probe import LoginProbe
from runbook_lib.connections.ssh_channel import RefusedError, open_session
from runbook_lib.connections.ssh_login import connect, host_key
from runbook_lib.connections.ssh_route import bastions, cut, discard_route, host_and_address, make_route
from runbook_lib.errors import UnreachableError
from runbook_lib.grace_periods import LOGIN, PROXY_COMMAND
from runbook_lib.project import expanded

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from runbook_lib.connections.session_request import SessionRequest
    from runbook_lib.host_settings import Host

__all__ = ["SshLink"]

T = TypeVar("T")
_KEEPALIVE = 15  # seconds


class SshLink:
    """The SSH connection to one host.

    Args:
        host: The inventory's host.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._fabric: Any = None
        self._proxy: subprocess.Popen[bytes] | None = None
        self._ready: deque[SessionRequest] = deque()
        self._opens_ahead = True
        self._further: dict[str, str] = {}
        self._probe: LoginProbe | None = None
        self.established: ConnectionInfo | None = None

    @property
    def user(self) -> str:
        """The user who is logged in on the host."""
        return self._fabric.user if self._fabric is not None else str(self._host.user)

    def open(self, wait: CommandWait | None = None) -> None:
        """Connect unless connected already; see `Connection.open`."""
        refused = self._probe is not None and self._probe.refusal is not None
        if self._fabric is not None and self._fabric.is_connected and not refused:
            return
        self.close()
        self._probe = None
        wait = wait or CommandWait(float("inf"))
        self._fabric, self._proxy = fabric, _ = self._within(
            wait, LOGIN, lambda: make_route(self._host, self._further), self._host.name, discard_route
        )
        seconds = self._host.connect_timeout + LOGIN
        passed = []
        for bastion in bastions(fabric):
            name = f"{bastion.user}@{bastion.host}:{bastion.port}"
            self._connect(bastion, wait, seconds, f"{self._host.name} (bastion {name})")
            passed.append(f"{name} {host_key(bastion)}")
        self._connect(fabric, wait, seconds, host_and_address(self._host, fabric))
        fabric.transport.set_keepalive(_KEEPALIVE)
        self._opens_ahead = True
        self._ready.extend(fabric.transport.take_first_sessions())
        earlier = self.established.number if self.established else 0
        self.established = ConnectionInfo(
            earlier + 1,
            host_key(fabric),
            address=fabric.host,
            port=fabric.port,
            bastions=tuple(passed),
        )

    def offer_identity(self, account: str, file: str) -> None:
        """Log in as an account with this private key too; see `Connection.offer_identity`."""
        self._further[account] = file

    @contextlib.contextmanager
    def guard(self, wait: CommandWait) -> Iterator[None]:
        """Close the connection if the block outlives a wait: that ends every call into it.

        Raises:
            OverdueError: The block failed after the wait was over; the connection is closed.
            UnreachableError: The connection is lost.
        """
        try:
            with abort_when_overdue(wait, self.abort):
                yield
        except RefusedError as refused:
            raise UnreachableError(
                str(refused),
                where=self._host.name,
                hint="sshd on the host could not start a process: check the host's memory and process limit",
            ) from refused
        except (paramiko.SSHException, EOFError, OSError) as problem:
            if wait.expired():
                self.abort()
                raise OverdueError(wait.silence) from problem
            raise UnreachableError(f"connection lost: {problem}", where=self._host.name) from problem

    def execute(self, line: str, wait: CommandWait) -> Any:  # noqa: ANN401 - paramiko's channel
        """Have the login shell execute a line, in a new session; return its channel. Call it inside of `guard`.

        The host's answer is not waited for: `collect` and `await_start` look at it. The session for the next line is
        asked for at the same time, so that it is open by then.

        Raises:
            UnreachableError: The connection is lost, or the host allows no further session.
            OverdueError: The host has not answered in time; the connection was closed.
        """
        return self.execute_all([line], wait)[0]

    def execute_all(self, lines: Sequence[str], wait: CommandWait) -> list[Any]:
        """Have the login shell execute lines, each in a session of its own, all at once; return their channels.

        Args:
            lines: The lines, sent in this order.
            wait: When to give up.

        Returns:
            The channels of the first lines. The others were not sent: the host allows no further session now.

        Raises:
            UnreachableError: As for `execute`; no line was sent.
            OverdueError: As for `execute`; no line was sent.
        """
        try:
            transport = self._fabric.transport
            channels = self._open_sessions(len(lines), wait)
            for channel, line in zip(channels, lines, strict=False):
                transport.request_execution(channel, line)
            if self._opens_ahead and not self._ready:
                self._ready.append(transport.request_session())
        except (paramiko.SSHException, EOFError, OSError, AttributeError) as problem:
            # The attribute is missing if the connection was closed from another thread meanwhile.
            if wait.expired():
                self.abort()
                raise OverdueError(wait.silence) from problem
            self.close()
            raise UnreachableError(f"connection lost: {problem}", where=self._host.name) from problem
        return channels

    def reserve(self, count: int, wait: CommandWait) -> int:
        """Open sessions for `execute_all` ahead of time; return how many of `count` there are, or 1.

        Raises:
            SSHException: The connection is lost, or the host has not answered in time.
        """
        transport = self._fabric.transport
        opened: deque[SessionRequest] = deque()
        while self._opens_ahead and len(self._ready) < count + (self._probe is None):
            self._ready.append(transport.request_session())
        if self._probe is None:
            self._probe = LoginProbe(self._open_session(wait), self.user, self._host.name)
        while self._ready and len(opened) < count:
            session = self._ready.popleft()
            try:
                if not session.result(wait).closed:  # by ChannelTimeout in the host's sshd_config
                    opened.append(session)
            except paramiko.ChannelException:
                self._opens_ahead = False  # from now on each session is opened when it is needed
        self._ready = opened + self._ready
        return max(1, len(opened))

    def _open_sessions(self, count: int, wait: CommandWait) -> list[paramiko.Channel]:
        """Return the channels of up to `count` sessions, at least of one."""
        count = self.reserve(count, wait)
        if not self._ready:
            self._judge(wait.followed_by(LOGIN))  # where only one session is allowed, the test command has it
            return [self._open_session(wait)]
        return [self._ready.popleft().result(wait) for _ in range(count)]

    def _open_session(self, wait: CommandWait) -> paramiko.Channel:
        """Return the channel of a session that was requested before, or else of a new one."""
        while self._ready:
            try:
                channel = self._ready.popleft().result(wait)
            except paramiko.ChannelException:
                self._opens_ahead = False
            else:
                if not channel.closed:  # as in `reserve`
                    return channel
        return open_session(self._fabric.transport, self._host.name, wait)

    def judge(self, wait: CommandWait) -> str:
        """Wait for the answer of the connection's test command; call it before a result of a command is believed.

        Args:
            wait: The wait of the command.

        Returns:
            Why there is no answer, if the connection was lost; otherwise an empty text.

        Raises:
            UnreachableError: The login shell changes the results of commands.
            OverdueError: The host has not answered in time; the connection was closed.
        """
        wait = wait.followed_by(LOGIN)
        with self.guard(wait):
            return self._judge(wait)

    def _judge(self, wait: CommandWait) -> str:
        return self._probe.judge(wait) if self._probe else ""

    def abort(self) -> None:
        """Close the connection at once, without any exchange with the host; may be called from any thread."""
        fabric, self._fabric = self._fabric, None
        proxy, self._proxy = self._proxy, None
        self._ready = deque()
        if proxy is not None:
            proxy.kill()
            proxy.wait()
        if fabric is not None:
            cut(fabric)

    def close(self) -> None:
        """Close the connection; see `Connection.close`."""
        fabric, self._fabric = self._fabric, None
        self._ready = deque()
        if fabric is not None:
            for one in (fabric, *reversed(bastions(fabric))):
                one.close()
                one.client.close()  # one that was refused is not connected, yet has a transport
            close_agent(fabric.connect_kwargs)
        if self._proxy is not None:
            subprocess_termination.terminate(self._proxy, PROXY_COMMAND)
            self._proxy = None

    def _connect(self, connection: Any, wait: CommandWait, seconds: float, place: str) -> None:  # noqa: ANN401 - fabric
        last = connection is self._fabric  # the others are bastions
        self._within(
            wait,
            seconds,
            lambda: connect(connection, self._known_hosts(), place, first_sessions=last),
            place,
            lambda _: connection.client.close(),
        )

    def _within(
        self,
        wait: CommandWait,
        seconds: float,
        work: Callable[[], T],
        place: str,
        discard: Callable[[T], None],
    ) -> T:
        """Make a part of the connection within a wait, and within some seconds.

        Args:
            wait: The wait.
            seconds: Most seconds.
            work: Makes the part.
            place: The host or bastion, for messages.
            discard: Closes what was made too late.
        """
        wait = wait.within(seconds)
        try:
            return call_or_leave(work, wait, self.abort, discard)
        except OverdueError as overdue:
            raise UnreachableError(
                f"cannot connect: {wait.silence}",
                where=place,
                hint="check the network, and that the host is not frozen: its console, its load, its disks",
            ) from overdue

    def _known_hosts(self) -> tuple[Path, ...]:
        return (expanded(self._host.known_hosts),) if self._host.known_hosts else ()
