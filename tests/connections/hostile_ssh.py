"""A real SSH server that lets a client in and then misbehaves: it does not answer in time, floods, takes no input."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Literal

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_PARTIALLY_SUCCESSFUL,
    AUTH_SUCCESSFUL,
    OPEN_SUCCEEDED,
    cMSG_DISCONNECT,
)
from paramiko.server import InteractiveQuery

from runbook_lib.host_settings import Host
from tests.connections.sshd import make_key
from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Behaviour", "HostileServer", "running"]

Behaviour = Literal[
    "silent from the start",
    "silent at the login",
    "silent when a channel is opened",
    "silent when a command is sent",
    "silent in place of a shell",
    "floods standard error in place of sudo",
    "floods both streams",
    "floods in place of a shell",
    "prints one byte a second",
    "takes no input",
    "refuses to execute a command",
    "sends more than the window allows",
    "answers once four commands have arrived",
    "answers once the next session is wanted",
    "reports the exit before the last output",
    "is cut off after the exit status",
    "is cut off after the end of output",
    "is cut off before the test command is answered",
    "asks for more than a key",
    "refuses the key",
    "disconnects with a text that is not UTF-8",
]
_FLOOD = b"lecture from your system administrator\n" * 800


class HostileServer:
    """An SSH server on 127.0.0.1.

    Args:
        place: Directory for its keys.
        behaviour: What it does wrong.
    """

    def __init__(self, place: Path, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.ended = threading.Event()
        self.four_commands = threading.Barrier(4)
        self.sessions = self.commands = 0
        place.mkdir(exist_ok=True)
        self._place = place
        self._key = paramiko.Ed25519Key(filename=str(make_key(place / "hostile")))
        make_key(place / "client")
        self._transports: list[paramiko.Transport] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(0.2)  # closing it would not end a call that waits for a connection
        self.port: int = self._listening.getsockname()[1]
        public = f"[127.0.0.1]:{self.port} {self._key.get_name()} {self._key.get_base64()}\n"
        (place / "known_hosts").write_text(public, encoding="ascii")
        threading.Thread(target=self._serve, daemon=True).start()

    def fields(self) -> dict[str, Any]:
        """Return the fields of the inventory's host."""
        return {
            "address": "127.0.0.1",
            "port": self.port,
            "user": "root",
            "identity_file": str(self._place / "client"),
            "known_hosts": str(self._place / "known_hosts"),
            "connect_timeout": deadline(5.0),
        }

    def host(self, **given: Any) -> Host:  # noqa: ANN401 - any field of a host
        """Return the inventory's host."""
        return Host.model_validate({"name": "hostile", **self.fields(), **given})

    def end(self) -> None:
        """Close all connections."""
        self.ended.set()
        self._listening.close()
        for transport in self._transports:
            transport.close()

    def disconnect(self, reason: bytes) -> None:
        """End the latest connection with a reason."""
        message = paramiko.Message()
        message.add_byte(cMSG_DISCONNECT)
        message.add_int(11)  # by application
        message.add_string(reason)
        message.add_string("")
        transport: Any = self._transports[-1]
        transport._send_message(message)  # noqa: SLF001 - paramiko's servers give no reason
        self.ended.wait(0.3)

    def cut(self) -> None:
        """Cut the latest connection, without a word."""
        self.ended.wait(0.3)  # what was sent before arrives
        self._transports[-1].sock.close()
        self._transports[-1].close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while not self.ended.is_set():
                try:
                    stream, _ = self._listening.accept()
                except TimeoutError:
                    continue
                if self.behaviour == "silent from the start":
                    threading.Thread(target=self._keep, args=(stream,), daemon=True).start()
                    continue
                transport = paramiko.Transport(stream)
                transport.add_server_key(self._key)
                self._transports.append(transport)
                with contextlib.suppress(paramiko.SSHException, EOFError):
                    transport.start_server(event=threading.Event(), server=_Session(self))

    def _keep(self, stream: socket.socket) -> None:
        self.ended.wait()
        stream.close()


class _Session(paramiko.ServerInterface):
    def __init__(self, server: HostileServer) -> None:
        self._server = server

    def _may_be_silent(self, behaviour: Behaviour) -> None:
        if self._server.behaviour == behaviour:
            self._server.ended.wait()

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - paramiko's interface
        more = self._server.behaviour == "asks for more than a key"
        return "publickey,keyboard-interactive" if more else "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002 - as above
        self._may_be_silent("silent at the login")
        behaviour = self._server.behaviour
        if behaviour == "disconnects with a text that is not UTF-8":
            self._server.disconnect(b"Zugang gesperrt f\xfcr root")
        if behaviour == "asks for more than a key":
            return AUTH_PARTIALLY_SUCCESSFUL
        return AUTH_FAILED if behaviour == "refuses the key" else AUTH_SUCCESSFUL

    def check_auth_interactive(self, username: str, submethods: str) -> Any:  # noqa: ANN401, ARG002 - as above
        return InteractiveQuery("Dear user", "", ("Password of your account: ", False))

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - as above
        self._may_be_silent("silent when a channel is opened")
        self._server.sessions += 1
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._may_be_silent("silent when a command is sent")
        if self._server.behaviour == "refuses to execute a command":
            return False
        self._server.commands += 1
        run = self._run
        if b"runbook-probe" in command:
            run = self._answer_test_command
        elif self._server.behaviour.startswith("answers once"):
            run = self._answer_late
        elif self._server.behaviour == "reports the exit before the last output":
            run = self._exit_before_last_output
        elif self._server.behaviour.startswith("is cut off"):
            run = self._cut_off
        threading.Thread(target=_until_the_client_has_gone, args=(run, channel, command), daemon=True).start()
        return True

    def _answer_test_command(self, channel: paramiko.Channel, command: bytes) -> None:
        """End the test command of a connection as it must, whatever this server does with others."""
        nonce = command.split()[-1]
        if self._server.behaviour == "is cut off before the test command is answered":
            self._server.ended.wait()
        for send in (channel.sendall, channel.sendall_stderr):
            send(b"begin:" + nonce + b"\nend:" + nonce + b"\n")
        channel.send_exit_status(7)
        channel.close()

    def _answer_late(self, channel: paramiko.Channel, command: bytes) -> None:
        """End a command successfully, but only once the client has sent what it sends without waiting for this."""
        begin = b"begin:" + command.split()[-1] + b"\n"
        if self._server.behaviour == "answers once four commands have arrived":
            with contextlib.suppress(threading.BrokenBarrierError):
                self._server.four_commands.wait(deadline(20.0))
        else:
            while self._server.sessions <= self._server.commands and not self._server.ended.wait(0.01):
                pass
        channel.sendall(begin + b"done\n")
        channel.sendall_stderr(begin)
        channel.send_exit_status(0)
        channel.close()

    def _exit_before_last_output(self, channel: paramiko.Channel, command: bytes) -> None:
        begin = b"begin:" + command.split()[-1] + b"\n"
        channel.sendall(begin)
        channel.sendall_stderr(begin)
        channel.send_exit_status(1)
        self._server.ended.wait(0.3)
        channel.sendall_stderr(b"sudo: a password is required\n")
        channel.close()

    def _cut_off(self, channel: paramiko.Channel, command: bytes) -> None:
        begin = b"begin:" + command.split()[-1] + b"\n"
        channel.sendall_stderr(begin)
        channel.sendall(begin + b"the first of many lines\n")
        if self._server.behaviour == "is cut off before the test command is answered":
            channel.send_exit_status(0)
            channel.close()
        elif self._server.behaviour == "is cut off after the exit status":
            channel.send_exit_status(0)
        else:
            channel.shutdown_write()
        self._server.cut()

    def _run(self, channel: paramiko.Channel, command: bytes) -> None:
        begin = b"begin:" + command.split()[-1] + b"\n"
        ended, behaviour = self._server.ended, self._server.behaviour
        if behaviour == "floods in place of a shell":
            while not ended.is_set():
                channel.sendall(_FLOOD)
                channel.sendall_stderr(_FLOOD)
        if behaviour != "silent in place of a shell":
            channel.sendall(begin)
            channel.sendall_stderr(begin)
        if behaviour == "sends more than the window allows":
            channel.out_window_size = 2**40
        while not ended.is_set():
            if behaviour == "sends more than the window allows":
                channel.sendall(_FLOOD)
            elif behaviour == "floods standard error in place of sudo":
                channel.sendall_stderr(_FLOOD)
            elif behaviour == "floods both streams":
                channel.sendall(_FLOOD)
                channel.sendall_stderr(_FLOOD)
            else:
                if behaviour == "prints one byte a second":
                    channel.sendall(b".")
                ended.wait(1.0)


@contextlib.contextmanager
def running(place: Path, behaviour: Behaviour) -> Iterator[HostileServer]:
    """Start a server, and end it whatever happens."""
    server = HostileServer(place, behaviour)
    try:
        yield server
    finally:
        server.end()


def _until_the_client_has_gone(
    run: Callable[[paramiko.Channel, bytes], None], channel: paramiko.Channel, command: bytes
) -> None:
    """Behave so in a thread: a client that is no longer there is what this server is for, and no failure of a test."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        run(channel, command)
