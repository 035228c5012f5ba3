"""Connect to a host over SSH, with Fabric. Unknown and changed host keys are refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko

from runbook_lib import subprocess_termination
from runbook_lib.connections.base import Connection, ConnectionInfo
from runbook_lib.connections.docker_api import DIAL, DockerApi
from runbook_lib.connections.identity import close_agent
from runbook_lib.connections.network_namespace import open_socket
from runbook_lib.connections.output_buffer import OutputBuffer
from runbook_lib.connections.persistent_process import SshPersistentProcess
from runbook_lib.connections.proxy_command import start_proxy
from runbook_lib.connections.remote_shell import RemoteOutput, bootstrap, sudo_text
from runbook_lib.connections.ssh_channel import await_start, collect, open_session
from runbook_lib.connections.ssh_route import add_bastions, bastions, connect, host_key, make_connection
from runbook_lib.connections.termination import (
    SessionLeader,
    latest_session,
    list_sessions,
    summarize,
    terminate,
)
from runbook_lib.errors import UnreachableError
from runbook_lib.grace_periods import (
    EXIT_STATUS,
    EXIT_STATUS_AFTER_TIMEOUT,
    PERSISTENT_PROCESS_ANSWER,
    PROXY_COMMAND,
)
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

if TYPE_CHECKING:
    import socket
    import subprocess
    import threading
    from collections.abc import Callable

    from runbook_lib.connections.output_buffer import OpenSpool
    from runbook_lib.connections.persistent_process import PersistentProcess
    from runbook_lib.model.commands import DockerQuery
    from runbook_lib.model.host import Host
    from runbook_lib.secrets import Secrets

__all__ = ["SshConnection"]

_KEEPALIVE = 15  # seconds
_DOCKER_TIMEOUT = 60.0  # seconds


class SshConnection(Connection):
    """One SSH connection, kept open for the whole run."""

    always_established = True

    def __init__(self, host: Host, secrets: Secrets) -> None:
        self._host = host
        self._password = secrets.resolve(host.sudo_password) if host.sudo_password else None
        self._established: ConnectionInfo | None = None
        self._fabric: Any = None
        self._proxy: subprocess.Popen[bytes] | None = None
        self._unfinished: Any = None
        self._left_running: dict[SessionLeader, Any] = {}  # an unreferenced channel would be closed
        self._docker = DockerApi(self._dial_docker)

    @property
    def host(self) -> Host:
        """The inventory's host."""
        return self._host

    @property
    def established(self) -> ConnectionInfo | None:
        """The latest established connection; None before the first."""
        return self._established

    def open(self) -> None:
        """Connect unless connected already; see `Connection.open`."""
        if self._fabric is not None and self._fabric.is_connected:
            return
        self.close()
        self._fabric = self._make()
        passed = []
        for bastion in bastions(self._fabric):
            name = f"{bastion.user}@{bastion.host}:{bastion.port}"
            connect(bastion, self._known_hosts(), f"{self._host.name} (bastion {name})")
            passed.append(f"{name} {host_key(bastion)}")
        connect(self._fabric, self._known_hosts(), self._place())
        self._fabric.transport.set_keepalive(_KEEPALIVE)
        earlier = self._established.number if self._established else 0
        self._established = ConnectionInfo(
            earlier + 1,
            host_key(self._fabric),
            address=self._fabric.host,
            port=self._fabric.port,
            bastions=tuple(passed),
        )

    def _place(self) -> str:
        return f"{self._host.name} ({self._fabric.host}:{self._fabric.port})"

    def render(self, command: Command) -> str:
        """Return the exact text that the host's POSIX shell executes; see `remote_shell`."""
        if not self._by_sudo(command):
            return command.text
        return sudo_text(command.argv, password=self._password is not None)

    def run(self, command: Command, cancel: threading.Event, open_spool: OpenSpool | None = None) -> Output:
        """Send a command and wait until it exits; see `Connection.run`."""
        self.open()
        started = time.time()
        out, err = OutputBuffer("stdout", open_spool), OutputBuffer("stderr", open_spool)
        remote = RemoteOutput(
            out.add,
            err.add,
            stdin=(command.stdin or "").encode(),
            sudo=self._by_sudo(command),
            password=self._password,
        )
        channel = self._send(command, remote)
        why = collect(channel, remote, command.timeout, cancel)
        still_running = bool(why) and not channel.exit_status_ready()
        if why and not still_running:
            why += "; the command has exited, but a process it started keeps its output open"
        # paramiko returns -1 if there is no exit status: a signal killed the command, or the connection was lost.
        # The end of the streams arrives only if the host itself closed the channel.
        code = channel.recv_exit_status() if not why else -1
        lost = code == -1 and not why and not channel.eof_received
        if still_running:
            self._unfinished = channel
        else:
            channel.close()
        if code == -1 and not why:
            why = (
                "connection lost before the exit status arrived"
                if lost
                else "the command was killed by a signal"
            )
        exit_code = None if code == -1 else code
        self._require_shell(remote, exit_code)
        remote.finish()
        return Output(
            exit_code=exit_code,
            stdout=out.text,
            stderr=err.text,
            started=started,
            ended=time.time(),
            problem=why,
            lost=lost,
            still_running=still_running,
            truncated=out.truncated or err.truncated,
            refused=remote.refusal(exit_code, self._user),
        )

    def _by_sudo(self, command: Command) -> bool:
        return command.sudo and self._host.user != "root"

    @property
    def _user(self) -> str:
        return self._fabric.user if self._fabric is not None else str(self._host.user)

    def _require_shell(self, remote: RemoteOutput, exit_code: int | None) -> None:
        """Raise if a command has ended, but no POSIX shell on the host has answered."""
        if remote.reached_shell or exit_code is None:
            return
        printed = f"; it printed: {excerpt(remote.preamble, 200)}" if remote.preamble else ""
        raise UnreachableError(
            f"the login shell of {self._user} runs no commands (exit code {exit_code}{printed})",
            where=self._host.name,
            hint="give the user a login shell that can start `sh`, and check ForceCommand on the host"
            " and `command=` in authorized_keys",
        )

    def _send(self, command: Command, remote: RemoteOutput) -> Any:  # noqa: ANN401 - paramiko's channel
        """Send a command over a new channel and return the channel."""
        try:
            channel = open_session(self._fabric.transport, self._host.name)
            channel.exec_command(bootstrap(self.render(command), remote.nonce))
        except (paramiko.SSHException, EOFError, OSError) as problem:
            self.close()
            raise UnreachableError(f"connection lost: {problem}", where=self._host.name) from problem
        return channel

    def stop(self, command: Command, send: Callable[[Command], Output]) -> str:
        """Terminate what the last `run` left running, over a second channel; see `Connection.stop`."""
        channel, self._unfinished = self._unfinished, None
        leader = latest_session(send(list_sessions()), self._left_running)
        ended = channel is None or channel.status_event.wait(EXIT_STATUS_AFTER_TIMEOUT)
        if ended:
            leader = None  # the session found belongs to another command
        if leader is not None and not command.safe_to_interrupt:
            # The channel stays open: with its output closed the command would be killed by SIGPIPE.
            self._left_running[leader] = channel
            return f"left running as PID {leader.pid} (not safe to interrupt)"
        if ended:
            done = "the command had already exited"
        elif leader is None:
            done = "main process exited; its children may still be running on the host"
        else:
            done = summarize(send(terminate(leader, sudo=command.sudo)))
            self._left_running[leader] = None
        if channel is not None:
            channel.close()
        return done

    def query_docker(self, query: DockerQuery) -> Output:
        """Query the host's Docker engine; see `Connection.query_docker`."""
        self.open()
        return self._docker.query(query)

    def start_persistent(self, command: Command) -> tuple[Output, PersistentProcess | None]:
        """Start a command that keeps running after its first answer; see `Connection.start_persistent`."""
        self.open()
        started = time.time()
        answer, errors = bytearray(), bytearray()
        remote = self._keeps_input_open(command, answer.extend, errors.extend)
        channel = self._send(command, remote)
        await_start(channel, remote, PERSISTENT_PROCESS_ANSWER)
        persistent, running, code = SshPersistentProcess(channel), False, None
        if remote.ran:
            running = persistent.read_answer(remote.add_stdout, answer)
        if not running:
            code = channel.recv_exit_status() if channel.status_event.wait(EXIT_STATUS) else None
            while channel.recv_stderr_ready():
                remote.add_stderr(channel.recv_stderr(65536))
            channel.close()
            self._require_shell(remote, code)
            remote.finish()
        output = Output(
            exit_code=code,
            stdout=answer.decode(errors="replace"),
            stderr=errors.decode(errors="replace"),
            started=started,
            ended=time.time(),
            problem="" if running or code is not None else "no answer from the command",
            refused=remote.refusal(code, self._user),
        )
        return output, persistent if running else None

    def close(self) -> None:
        """Close the connection; see `Connection.close`."""
        if self._fabric is not None:
            for one in (self._fabric, *reversed(bastions(self._fabric))):
                one.close()
                one.client.close()  # one that was refused is not connected, yet has a transport
            close_agent(self._fabric.connect_kwargs)
            self._fabric = self._unfinished = None
            self._left_running.clear()
        if self._proxy is not None:
            subprocess_termination.terminate(self._proxy, PROXY_COMMAND)
            self._proxy = None

    def _make(self) -> Any:  # noqa: ANN401 - fabric is untyped
        host = self._host
        connection = make_connection(
            host.target,
            host.name,
            user=host.user,
            port=host.port if "port" in host.model_fields_set else None,
            connect_timeout=max(1, round(host.connect_timeout)),
            identity_file=host.identity_file,
        )
        self._fabric = connection
        proxy = host.proxy_command or connection.ssh_config.proxy_command
        if host.network_namespace:
            connection.connect_kwargs["sock"] = self._socket_in_namespace(host.network_namespace)
        elif proxy:
            command = connection.ssh_config.expand(proxy, host.name)
            connection.connect_kwargs["sock"], self._proxy = start_proxy(command, host.name)
        else:
            add_bastions(connection, host.name)
        return connection

    def _socket_in_namespace(self, namespace: str) -> socket.socket:
        host = self._host
        try:
            return open_socket(namespace, self._fabric.host, self._fabric.port, host.connect_timeout)
        except OSError as problem:
            raise UnreachableError(
                f"cannot connect: {problem}",
                where=self._place(),
                hint="check that the lab is up: `runbook lab status`",
            ) from problem

    def _known_hosts(self) -> tuple[Path, ...]:
        return (Path(self._host.known_hosts).expanduser(),) if self._host.known_hosts else ()

    def _dial_docker(self) -> Any:  # noqa: ANN401 - a paramiko channel stands in for a socket
        command = Command(DIAL, sudo=True)
        refused = OutputBuffer("stderr", None)
        remote = self._keeps_input_open(command, lambda _: None, refused.add)
        channel = self._send(command, remote)
        await_start(channel, remote, _DOCKER_TIMEOUT)
        if not remote.ran:
            code = channel.recv_exit_status() if channel.status_event.is_set() else None
            channel.close()
            self._require_shell(remote, code)
            raise OSError(remote.refusal(code, self._user) or "no answer from the host's shell")
        channel.settimeout(_DOCKER_TIMEOUT)
        return channel

    def _keeps_input_open(
        self, command: Command, stdout: Callable[[bytes], None], stderr: Callable[[bytes], None]
    ) -> RemoteOutput:
        return RemoteOutput(stdout, stderr, sudo=self._by_sudo(command), password=self._password)
