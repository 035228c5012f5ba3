"""This machine itself as a host."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from runbook_lib.connections.base import INTERRUPT_GRACE
from runbook_lib.connections.docker_api import DockerApi
from runbook_lib.connections.holder import ProcessHolder
from runbook_lib.errors import InventoryError, UnreachableError
from runbook_lib.model import Command, Output

if TYPE_CHECKING:
    import threading

    from runbook_lib.connections.holder import Holder
    from runbook_lib.inventory import Host
    from runbook_lib.model import DockerQuery
    from runbook_lib.secrets import Secrets

__all__ = ["LocalConnection"]

_POLL = 0.05  # seconds
_SOCKET = "/var/run/docker.sock"


class LocalConnection:
    """Commands as child processes, each in a process group of its own."""

    def __init__(self, host: Host, secrets: Secrets) -> None:
        self._host = host
        if host.sudo_password:
            secrets.resolve(host.sudo_password)
            if os.geteuid() != 0:
                raise InventoryError(
                    "sudo_password works over SSH only",
                    where=host.name,
                    hint="allow sudo without a password here, or reach this machine with connection: ssh",
                )
        self._docker = DockerApi(_dial_docker)

    @property
    def host(self) -> Host:
        """The inventory's host."""
        return self._host

    def open(self) -> None:
        """Do nothing: this machine is here."""

    def render(self, command: Command) -> str:
        """Return the exact text that `run` sends."""
        if not command.sudo or os.geteuid() == 0:
            return command.text
        return shlex.join(("sudo", "-n", "--", *command.argv))

    def run(self, command: Command, cancel: threading.Event) -> Output:
        """Run a command and wait for its end; see `Connection.run`."""
        started = time.time()
        try:
            process = subprocess.Popen(
                shlex.split(self.render(command)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (FileNotFoundError, NotADirectoryError) as missing:
            return Output(exit_code=127, stderr=str(missing), started=started, ended=time.time())
        except PermissionError as refused:  # as a shell tells it
            return Output(exit_code=126, stderr=str(refused), started=started, ended=time.time())
        except OSError as problem:
            raise UnreachableError(f"cannot start a process: {problem}", where=self._host.name) from problem
        out, err, problem_text = _collect(process, (command.stdin or "").encode(), command.timeout, cancel)
        return Output(
            exit_code=None if problem_text else process.returncode,
            stdout=out.decode(errors="replace"),
            stderr=err.decode(errors="replace"),
            started=started,
            ended=time.time(),
            problem=problem_text,
        )

    def ask(self, query: DockerQuery) -> Output:
        """Ask this machine's Docker engine; see `Connection.ask`."""
        return self._docker.ask(query)

    def hold(self, command: Command) -> tuple[Output, Holder | None]:
        """Start a command that stays once it has answered; see `Connection.hold`."""
        started = time.time()
        try:
            process = subprocess.Popen(
                shlex.split(self.render(command)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as problem:
            missing = Output(127, stderr=f"{command.argv[0]}: {problem}", started=started, ended=time.time())
            return missing, None
        holder = ProcessHolder(process)
        said, stays = holder.answer()
        errors = b"" if stays else holder.end()
        output = Output(
            exit_code=process.poll(),
            stdout=said.decode(errors="replace"),
            stderr=errors.decode(errors="replace"),
            started=started,
            ended=time.time(),
        )
        return output, holder if stays else None

    def close(self) -> None:
        """Do nothing: there is nothing to end."""


def _collect(
    process: subprocess.Popen[bytes], stdin: bytes, timeout: float, cancel: threading.Event
) -> tuple[bytes, bytes, str]:
    deadline, grace = time.monotonic() + timeout, None
    given: bytes | None = stdin
    while True:
        try:
            out, err = process.communicate(given, timeout=_POLL)
        except subprocess.TimeoutExpired as waiting:
            given = None
            now = time.monotonic()
            if cancel.is_set() and grace is None:
                grace = now + INTERRUPT_GRACE
            late = now > deadline
            if late or (grace is not None and now > grace):
                _kill(process)
                reason = f"no end after {timeout:g} s" if late else "interrupted before its end was told"
                return waiting.stdout or b"", waiting.stderr or b"", reason
        else:
            return out, err, ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group; what has left the group may keep the pipes open and is not waited for."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        with contextlib.suppress(OSError):
            if pipe:
                pipe.close()


def _dial_docker() -> socket.socket:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(60.0)
    stream.connect(_SOCKET)
    return stream
