"""Commands sent to a host, and their output."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from runbook_lib.errors import ParameterError
from runbook_lib.shell_words import join_words, why_not_sendable, why_not_text

__all__ = ["Command", "DockerQuery", "NetworkQuery", "Output"]


@dataclass(frozen=True)
class Command:
    """One command to send to a host, as separate arguments; they are quoted only in `text`.

    An argument that is not UTF-8, such as a file name from `os.listdir`, stands for the bytes of `os.fsencode`.

    Args:
        argv: Program and arguments.
        stdin: Text for standard input, for example the content of a file to write.
        stdin_summary: Recorded in place of `stdin`, such as the hash and size of a file's content.
        sudo: Run as root.
        accept: Exit codes that count as success.
        timeout: Seconds.
        purpose: Explanation for the reader, for example a trainee.
        may_cut_connection: The command may break the connection; its exit code is then unknown.
        probes_sudo: The command tests whether sudo works: being refused is a valid answer.
        secret_output: What the command prints, if that is a secret, as `join token`: it is masked under this name
            before it is recorded, and `Runbook.secret` returns it for the masked text.
        secret_values: A name for the secrets that may be among the settings that the command prints, as `secret of
            daemon.json`: passwords in URLs, values of keys such as `token`. Each is masked under this name.
        safe_to_interrupt: Whether the command may be terminated on the host when the run stops waiting for it.
            False for commands that must not stop halfway, such as a package installation: they are left running,
            and only their own `timeout` limits the wait, no deadline of the step or the run.

    Raises:
        ParameterError: An argument cannot be given to a program, or `stdin` is not text.
    """

    argv: tuple[str, ...]
    stdin: str | None = None
    stdin_summary: str | None = None
    sudo: bool = False
    accept: tuple[int, ...] = (0,)
    timeout: float = 600.0
    purpose: str = ""
    may_cut_connection: bool = False
    probes_sudo: bool = False
    secret_output: str = ""
    secret_values: str = ""
    safe_to_interrupt: bool = True

    def __post_init__(self) -> None:
        for number, argument in enumerate(self.argv):
            if why := why_not_sendable(argument):
                named = (
                    f"argument {number} of `{join_words(self.argv[:1])}`" if number else "the program's name"
                )
                raise ParameterError(f"a command cannot be sent: {named} {why}")
        if self.stdin is not None and (why := why_not_text(self.stdin)):
            raise ParameterError(
                f"a command cannot be sent: the standard input of `{join_words(self.argv[:1])}` {why}",
                hint="send bytes that are not text in base64, and decode them on the host",
            )

    @property
    def shows_secret(self) -> bool:
        """Whether its output is a secret or may have some: nothing of it is shown before they are masked."""
        return bool(self.secret_output or self.secret_values)

    @property
    def text(self) -> str:
        """The command, quoted for a shell, without `sudo`."""
        return join_words(self.argv)


@dataclass(frozen=True)
class DockerQuery:
    """A read-only query to a host's Docker engine, made through the docker SDK.

    Args:
        method: Name of the SDK's low-level method.
        arguments: Its positional arguments.
        timeout: Seconds.

    Raises:
        ParameterError: An argument is not text.
    """

    method: Literal[
        "info",
        "version",
        "inspect_container",
        "inspect_distribution",
        "inspect_image",
        "inspect_network",
        "inspect_service",
        "containers",
        "networks",
    ]
    arguments: tuple[str | bool, ...] = ()
    timeout: float = 60.0

    def __post_init__(self) -> None:
        _require_text(self.method, *(one for one in self.arguments if isinstance(one, str)))

    @property
    def text(self) -> str:
        """The query as it is shown and recorded."""
        return join_words(("docker-api", self.method, *map(str, self.arguments)))


@dataclass(frozen=True)
class NetworkQuery:
    """A read-only query that this machine makes over the network, from the process of the run, not from the host.

    Args:
        method: `connect` opens a TCP connection, `http` sends a GET request, `tls` makes a handshake, `login` logs in
            over SSH on the same way as the connection to the step's host.
        port: TCP port; 0 for `login`, which uses that of the connection.
        address: Name or IP address to connect to; empty: where the step's host is reached.
        name: Server name for TLS and the `Host` of an HTTP request; empty: the address.
        path: Path and query of an HTTP request.
        encrypted: Whether an HTTP request goes over TLS.
        authorities: Certificates of the authorities to trust, PEM; empty: those of this machine.
        timeout: Seconds.
        account: The account to log in as.
        identity_file: File of this machine with the private key to log in with.

    Raises:
        ParameterError: Address, name, path or account is not text.
    """

    method: Literal["connect", "http", "tls", "login"]
    port: int
    address: str = ""
    name: str = ""
    path: str = ""
    encrypted: bool = False
    authorities: str = ""
    timeout: float = 10.0
    account: str = ""
    identity_file: str = ""

    def __post_init__(self) -> None:
        _require_text(self.method, self.address, self.name, self.path, self.account)

    @property
    def text(self) -> str:
        """The query as it is shown and recorded; certificates by their hash."""
        if self.method == "login":
            words = ["from-this-machine", "login", f"{self.account}@{self.address or 'HOST'}"]
            return join_words([*words, "--identity-file", self.identity_file])
        words = ["from-this-machine", self.method, f"{self.address or 'HOST'}:{self.port}"]
        words += ["--tls"] * self.encrypted + ["--name", self.name] * bool(self.name)
        words += ["--path", self.path] * bool(self.path)
        if self.authorities:
            words += ["--trust", f"sha256:{hashlib.sha256(self.authorities.encode()).hexdigest()}"]
        return join_words(words)


@dataclass(frozen=True)
class Output:
    """Output and exit status of a command.

    Args:
        exit_code: None if unknown: the connection broke, the command timed out, or the user interrupted the run.
        problem: Why the exit code is unknown.
        lost: The connection broke while the command ran.
        still_running: The command was still running when the wait ended; `Connection.stop` terminates it.
        refused: Why sudo did not run the command, known from sudo's side of the exchange and not from its words;
            empty if the command ran.
        note: What the reader should know of how the command was run, such as a slow sudo; empty: nothing.
        truncated: The output did not fit in memory: `stdout` and `stderr` hold only its beginning.
        started: Seconds since the epoch on this machine's clock; `ended` likewise.
    """

    exit_code: int | None
    stdout: str = ""
    stderr: str = ""
    started: float = 0.0
    ended: float = 0.0
    problem: str = ""
    lost: bool = False
    still_running: bool = False
    truncated: bool = False
    refused: str = ""
    note: str = ""


def _require_text(query: str, *arguments: str) -> None:
    for argument in arguments:
        if why := why_not_sendable(argument) or why_not_text(argument):
            raise ParameterError(f"the query `{query}` cannot be made: an argument {why}")
