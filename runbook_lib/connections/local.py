"""Run commands on this machine itself."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from runbook_lib.connections.base import Connection
from runbook_lib.connections.command_wait import CommandWait, output_kept_open
from runbook_lib.connections.docker_api import DockerApi
from runbook_lib.connections.local_pipes import Pipes
from runbook_lib.connections.output_budget import OutputBudget
from runbook_lib.connections.output_buffer import OutputBuffer
from runbook_lib.connections.persistent_process import MAX_ANSWER_BYTES, LocalPersistentProcess
from runbook_lib.connections.remote_shell import RemoteOutput, bootstrap, sudo_text
from runbook_lib.connections.termination import SessionLeader, summarize, terminate
from runbook_lib.errors import UnreachableError
from runbook_lib.model.commands import Command, Output
from runbook_lib.process_identity import start_ticks
from runbook_lib.project import user_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runbook_lib.connections.output_budget import OutputLimit
    from runbook_lib.connections.output_buffer import OpenSpool
    from runbook_lib.connections.persistent_process import PersistentProcess
    from runbook_lib.host_settings import Host
    from runbook_lib.model.commands import DockerQuery
    from runbook_lib.secrets import Secrets

__all__ = ["LocalConnection"]

_SOCKET = "/var/run/docker.sock"
_INTERRUPT_NOTICED = (
    0.5  # seconds after a signal to the whole group until this process has handled it, at most
)
_POLL = 0.1  # seconds between two attempts to reach an engine that is busy


class LocalConnection(Connection):
    """A connection to this machine: commands are child processes, each in a session of its own."""

    on_this_machine = True

    def __init__(self, host: Host, secrets: Secrets) -> None:
        self._host = host
        self._password = secrets.resolve(host.sudo_password) if host.sudo_password else None
        self._unfinished: subprocess.Popen[bytes] | None = None
        self._left_running: list[subprocess.Popen[bytes]] = []
        self._docker = DockerApi(_dial_docker)

    @property
    def host(self) -> Host:
        """The inventory's host."""
        return self._host

    @property
    def established(self) -> None:
        """None: no connection is needed."""

    def open(self, wait: CommandWait | None = None) -> None:
        """Do nothing: no connection is needed."""

    def render(self, command: Command) -> str:
        """Return the exact text that `run` sends."""
        if not command.sudo or os.geteuid() == 0:
            return command.text
        return sudo_text(command.argv, password=self._password is not None)

    def _program(self, command: Command, remote: RemoteOutput) -> Sequence[str]:
        """Return program and arguments: a shell for sudo and for a text that a derived class renders otherwise."""
        text = self.render(command)
        if remote.sudo:
            return shlex.split(bootstrap(text, remote.nonce))
        return command.argv if text == command.text else ("sh", "-c", f"exec {text}")

    def _start(self, command: Command, remote: RemoteOutput) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._program(command, remote),
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(
        self,
        command: Command,
        cancel: threading.Event,
        open_spool: OpenSpool | None = None,
        limit: OutputLimit | None = None,
    ) -> Output:
        """Run a command and wait until it exits; see `Connection.run`."""
        started = time.time()
        out, err = OutputBuffer("stdout", open_spool), OutputBuffer("stderr", open_spool)
        remote = self._output(command, out.add, err.add, limit)
        try:
            process = self._start(command, remote)
        except (FileNotFoundError, NotADirectoryError) as missing:
            return Output(exit_code=127, stderr=str(missing), started=started, ended=time.time())
        except PermissionError as refused:  # the exit code that a shell returns
            return Output(exit_code=126, stderr=str(refused), started=started, ended=time.time())
        except OSError as problem:
            raise UnreachableError(f"cannot start a process: {problem}", where=self._host.name) from problem
        pipes = Pipes(process, remote)
        still_running = False
        try:
            why = pipes.wait(CommandWait(command.timeout, cancel))
            still_running = bool(why) and process.poll() is None
        finally:
            pipes.close(keep=still_running and not command.safe_to_interrupt)
        if still_running:
            self._unfinished = process
        elif why and not remote.cut:
            why = output_kept_open(why)
        exit_code = None if why else process.wait()
        if exit_code == -signal.SIGINT and cancel.wait(_INTERRUPT_NOTICED):
            # Until it has a session of its own a process belongs to this one's group, to which Ctrl-C is sent.
            exit_code, why = None, "interrupted while the command was being started"
        remote.finish()
        slow_sudo = remote.slow_sudo() if exit_code is None or remote.ran else ""
        return Output(
            exit_code=exit_code,
            stdout=out.text,
            stderr=err.text,
            started=started,
            ended=time.time(),
            problem="; ".join(filter(None, (why, slow_sudo))),
            still_running=still_running,
            truncated=out.truncated or err.truncated,
            refused=remote.refusal(exit_code, user_name()),
            note=slow_sudo,
        )

    def _output(
        self,
        command: Command,
        stdout: Callable[[bytes], None],
        stderr: Callable[[bytes], None],
        limit: OutputLimit | None,
    ) -> RemoteOutput:
        by_sudo = command.sudo and os.geteuid() != 0
        return RemoteOutput(
            stdout,
            stderr,
            stdin=(command.stdin or "").encode(),
            sudo=by_sudo,
            password=self._password,
            framed=by_sudo,
            limit=limit,
        )

    def stop(self, command: Command, send: Callable[[Command], Output]) -> str:
        """Terminate what the last `run` left running; see `Connection.stop`."""
        process, self._unfinished = self._unfinished, None
        if process is None or process.poll() is not None:
            return "the command had already exited"
        if not command.safe_to_interrupt:
            self._left_running.append(process)
            return f"left running as PID {process.pid} (not safe to interrupt)"
        done = summarize(
            send(terminate(SessionLeader(process.pid, start_ticks(process.pid)), sudo=command.sudo))
        )
        if process.poll() is None:
            self._left_running.append(process)
        return done

    def query_docker(
        self, query: DockerQuery, cancel: threading.Event, limit: OutputLimit | None = None
    ) -> Output:
        """Query this machine's Docker engine; see `Connection.query_docker`."""
        return self._docker.query(query, CommandWait(query.timeout, cancel), limit)

    def start_persistent(
        self, command: Command, cancel: threading.Event
    ) -> tuple[Output, PersistentProcess | None]:
        """Start a command that keeps running after its first answer; see `Connection.start_persistent`."""
        started = time.time()
        wait = CommandWait(command.timeout, cancel)
        answer, errors = bytearray(), bytearray()
        budget = OutputBudget(MAX_ANSWER_BYTES, MAX_ANSWER_BYTES)
        remote = self._output(command, answer.extend, errors.extend, budget.limit())
        try:
            process = self._start(command, remote)
        except OSError as problem:
            missing = Output(127, stderr=f"{command.argv[0]}: {problem}", started=started, ended=time.time())
            return missing, None
        persistent = LocalPersistentProcess(process)
        running = persistent.read_answer(remote, answer, wait)
        if not running:
            remote.add_stderr(persistent.end())
        remote.finish()
        output = Output(
            exit_code=process.poll(),
            stdout=answer.decode(errors="replace"),
            stderr=errors.decode(errors="replace"),
            started=started,
            ended=time.time(),
            problem="" if running or process.poll() is not None else remote.slow_sudo() or wait.silence,
            refused="" if running else remote.refusal(process.poll(), user_name()),
        )
        return output, persistent if running else None

    def close(self) -> None:
        """Close the pipes of processes that were left running, and reap each of them once it exits."""
        unfinished = [self._unfinished] if self._unfinished else []
        for process in (*self._left_running, *unfinished):
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
            if process.poll() is None:
                threading.Thread(target=process.wait, name=f"reap PID {process.pid}", daemon=True).start()
        self._left_running, self._unfinished = [], None


def _dial_docker(wait: CommandWait) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(0)
    while True:
        try:
            stream.connect(_SOCKET)
        except BlockingIOError as busy:  # it has as many connections waiting as it allows
            if wait.expired():
                stream.close()
                raise TimeoutError(wait.silence) from busy
            time.sleep(_POLL)
        except OSError:
            stream.close()
            raise
        else:
            return stream
