"""Connect to a host over SSH, with Fabric. Unknown and changed host keys are refused."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from runbook_lib.connections.base import Connection, ConnectionInfo
from runbook_lib.connections.bounded_call import OverdueError
from runbook_lib.connections.command_wait import CommandWait, output_kept_open
from runbook_lib.connections.docker_api import DIAL, DockerApi
from runbook_lib.connections.login_probe import require_shell
from runbook_lib.connections.output_budget import OutputBudget
from runbook_lib.connections.output_buffer import OutputBuffer
from runbook_lib.connections.persistent_process import MAX_ANSWER_BYTES, SshPersistentProcess
from runbook_lib.connections.remote_shell import RemoteOutput, bootstrap, sudo_text
from runbook_lib.connections.sent_ahead import SentAhead
from runbook_lib.connections.ssh_channel import LOST, await_start, collect, exit_status, why_lost
from runbook_lib.connections.ssh_link import SshLink
from runbook_lib.connections.unfinished_commands import UnfinishedCommands
from runbook_lib.errors import UnreachableError
from runbook_lib.grace_periods import COMMAND_START, EXIT_STATUS
from runbook_lib.model.commands import Command, Output

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from runbook_lib.connections.output_budget import OutputLimit
    from runbook_lib.connections.output_buffer import OpenSpool
    from runbook_lib.connections.persistent_process import PersistentProcess
    from runbook_lib.host_settings import Host
    from runbook_lib.model.commands import DockerQuery
    from runbook_lib.secrets import Secrets

__all__ = ["SshConnection"]


class SshConnection(Connection):
    """One SSH connection, kept open for the whole run."""

    reads_ssh_files = True

    always_established = True

    def __init__(self, host: Host, secrets: Secrets) -> None:
        self._host = host
        self._password = secrets.resolve(host.sudo_password) if host.sudo_password else None
        self._link = SshLink(host)
        self._ahead = SentAhead(self._link, self.render)
        self._unfinished = UnfinishedCommands(self._link, self._ahead)
        self._docker = DockerApi(self._dial_docker)

    @property
    def host(self) -> Host:
        """The inventory's host."""
        return self._host

    @property
    def established(self) -> ConnectionInfo | None:
        """The latest established connection; None before the first."""
        return self._link.established

    def open(self, wait: CommandWait | None = None) -> None:
        """Connect unless connected already; see `Connection.open`."""
        self._link.open(wait)

    def offer_identity(self, account: str, file: str) -> None:
        """Log in with this private key too; see `Connection.offer_identity`."""
        self._link.offer_identity(account, file)

    def try_login(self, account: str, file: str, wait: CommandWait) -> None:
        """Log in with one private key only; see `Connection.try_login`."""
        link = SshLink(self._host.model_copy(update={"user": account, "identity_file": file}))
        try:
            link.open(wait)
        finally:
            link.close()

    def render(self, command: Command) -> str:
        """Return the exact text that the host's POSIX shell executes; see `remote_shell`."""
        if not self._by_sudo(command):
            return command.text
        return sudo_text(command.argv, password=self._password is not None)

    def run(
        self,
        command: Command,
        cancel: threading.Event,
        open_spool: OpenSpool | None = None,
        limit: OutputLimit | None = None,
    ) -> Output:
        """Send a command and wait until it exits; see `Connection.run`."""
        ahead = self._ahead.take(command)
        if ahead and ahead.problem:
            return Output(None, started=ahead.started, ended=time.time(), problem=ahead.problem, lost=True)
        started = ahead.started if ahead else time.time()
        out, err = OutputBuffer("stdout", open_spool), OutputBuffer("stderr", open_spool)
        remote = RemoteOutput(
            out.add,
            err.add,
            stdin=(command.stdin or "").encode(),
            sudo=self._by_sudo(command),
            password=self._password,
            limit=limit,
            nonce=ahead.nonce if ahead else "",
        )
        if ahead:
            wait = self._ahead.wait(command, cancel)
        else:
            wait = CommandWait(command.timeout, cancel, to_start=COMMAND_START)
            self.open(wait)
        code, lost, still_running, ended = None, False, False, None
        try:
            with self._link.guard(wait):
                channel = ahead.channel if ahead else self._send(command, remote, wait)
                code, why, still_running = self._exchange(channel, remote, wait)
                ended = channel.transport.exit_time(channel)
                lost = code is None and why.startswith(LOST)
            if code is not None and (unknown := self._link.judge(wait)):
                code, why, lost = None, unknown, True
        except OverdueError as silent:
            code, why, lost = None, f"{silent}; the connection was closed", True
        remote.finish()
        slow_sudo = remote.slow_sudo() if code is None or remote.ran else ""
        return Output(
            exit_code=code,
            stdout=out.text,
            stderr=err.text,
            started=started,
            ended=ended or time.time(),
            problem="; ".join(filter(None, (why, slow_sudo))),
            lost=lost,
            still_running=still_running,
            truncated=out.truncated or err.truncated,
            refused=remote.refusal(code, self._link.user),
            note=slow_sudo,
        )

    def _exchange(
        self,
        channel: Any,  # noqa: ANN401 - paramiko's
        remote: RemoteOutput,
        wait: CommandWait,
    ) -> tuple[int | None, str, bool]:
        """Return a command's exit code; if there is none, why, and whether the command is still running."""
        why = collect(channel, remote, wait)
        still_running = bool(why) and not channel.exit_status_ready()
        if still_running:
            self._unfinished.latest = channel
            return None, why, True
        code, lost = exit_status(channel)
        channel.close()
        if why:
            if not remote.cut:
                why = output_kept_open(why)
            return None, why, False
        if lost and wait.expired():
            raise OverdueError(wait.silence)
        if lost or code == -1:
            return None, why_lost(channel) if lost else "the command was killed by a signal", False
        self._require_shell(remote, code)
        return code, "", False

    def _by_sudo(self, command: Command) -> bool:
        return command.sudo and self._host.user != "root"

    def _require_shell(self, remote: RemoteOutput, exit_code: int) -> None:
        require_shell(remote, exit_code, self._link.user, self._host.name)

    def _send(self, command: Command, remote: RemoteOutput, wait: CommandWait) -> Any:  # noqa: ANN401 - paramiko's
        """Send a command over a new channel and return the channel."""
        return self._link.execute(bootstrap(self.render(command), remote.nonce), wait)

    def can_send_together(self, command: Command) -> bool:
        """Return whether a command may be sent together with others; not if sudo asks for a password before it."""
        asks = self._by_sudo(command) and self._password is not None
        return command.safe_to_interrupt and not command.may_cut_connection and not asks

    def reserve(self, commands: Sequence[Command], cancel: threading.Event) -> int:
        """Open sessions; see `Connection.reserve`."""
        return self._ahead.reserve(commands, cancel)

    def send_ahead(self, commands: Sequence[Command]) -> None:
        """Send commands in sessions that are open; see `Connection.send_ahead`."""
        self._ahead.send(commands)

    def stop(self, command: Command, send: Callable[[Command], Output]) -> str:
        """Terminate what the last `run` left running, over a second channel; see `Connection.stop`."""
        return self._unfinished.stop(command, send)

    def query_docker(
        self, query: DockerQuery, cancel: threading.Event, limit: OutputLimit | None = None
    ) -> Output:
        """Query the host's Docker engine; see `Connection.query_docker`."""
        wait = CommandWait(query.timeout, cancel)
        self.open(wait)
        try:
            with self._link.guard(wait):
                return self._docker.query(query, wait, limit)
        except OverdueError as silent:
            raise self._silent(silent) from silent

    def start_persistent(
        self, command: Command, cancel: threading.Event
    ) -> tuple[Output, PersistentProcess | None]:
        """Start a command that keeps running after its first answer; see `Connection.start_persistent`."""
        wait = CommandWait(command.timeout, cancel)
        self.open(wait)
        try:
            with self._link.guard(wait):
                output, process = self._start_persistent(command, wait)
            if process or output.exit_code is not None:
                self._judge(wait, process)
        except OverdueError as silent:
            raise self._silent(silent) from silent
        return output, process

    def _judge(self, wait: CommandWait, process: PersistentProcess | None = None) -> None:
        """Raise unless the connection's test command says that what a process has answered can be believed."""
        with contextlib.ExitStack() as refused:
            if process:
                refused.callback(process.release)
            if lost := self._link.judge(wait):
                raise UnreachableError(lost, where=self._host.name)
            refused.pop_all()

    def _start_persistent(
        self, command: Command, wait: CommandWait
    ) -> tuple[Output, PersistentProcess | None]:
        started = time.time()
        answer, errors = bytearray(), bytearray()
        remote = self._keeps_input_open(command, answer.extend, errors.extend)
        channel = self._send(command, remote, wait)
        await_start(channel, remote, wait)
        persistent, running, code = SshPersistentProcess(channel, self._link.guard), False, None
        if remote.ran:
            running = persistent.read_answer(remote, answer, wait)
        if not running:
            over = remote.cut or wait.expired()
            code = channel.recv_exit_status() if channel.status_event.wait(0 if over else EXIT_STATUS) else -1
            code = None if code == -1 else code
            while channel.recv_stderr_ready() and not (remote.cut or wait.expired()):
                remote.add_stderr(channel.recv_stderr(65536))
            channel.close()
            if code is not None:
                self._require_shell(remote, code)
            remote.finish()
        silent = "" if running or code is not None else remote.cut or remote.slow_sudo() or wait.silence
        output = Output(
            exit_code=code,
            stdout=answer.decode(errors="replace"),
            stderr=errors.decode(errors="replace"),
            started=started,
            ended=time.time(),
            problem=silent,
            refused=remote.refusal(code, self._link.user),
        )
        return output, persistent if running else None

    def close(self) -> None:
        """Close the connection; see `Connection.close`."""
        self._link.close()
        self._ahead.clear()
        self._unfinished.clear()

    def _silent(self, silent: OverdueError) -> UnreachableError:
        return UnreachableError(
            f"the host does not answer: {silent}; the connection was closed", where=self._host.name
        )

    def _dial_docker(self, wait: CommandWait) -> Any:  # noqa: ANN401 - a paramiko channel stands in for a socket
        command = Command(DIAL, sudo=True)
        refused = OutputBuffer("stderr", None)
        remote = self._keeps_input_open(command, lambda _: None, refused.add)
        channel = self._send(command, remote, wait)
        await_start(channel, remote, wait)
        if not remote.ran:
            code = channel.recv_exit_status() if channel.status_event.is_set() else None
            channel.close()
            if code is not None:
                self._require_shell(remote, code)
            raise OSError(remote.refusal(code, self._link.user) or remote.slow_sudo() or wait.silence)
        self._judge(wait)
        return channel

    def _keeps_input_open(
        self, command: Command, stdout: Callable[[bytes], None], stderr: Callable[[bytes], None]
    ) -> RemoteOutput:
        budget = OutputBudget(MAX_ANSWER_BYTES, MAX_ANSWER_BYTES)
        return RemoteOutput(
            stdout, stderr, sudo=self._by_sudo(command), password=self._password, limit=budget.limit()
        )
