"""What is sent to a host, and what comes back."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Literal

__all__ = ["Command", "DockerQuery", "Output"]


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
        may_cut_connection: The connection may break while it runs; its exit code is then unknown.
        probes_sudo: It is sent to learn whether there is sudo: its refusal is an answer.
        safe_to_interrupt: It is ended on the host once the run does not wait for it any more. False where half of
            it is worse than all of it, as an installation: it is left running then, and no deadline but its
            own `timeout` ends the waiting.
    """

    argv: tuple[str, ...]
    stdin: str | None = None
    sudo: bool = False
    accept: tuple[int, ...] = (0,)
    timeout: float = 600.0
    purpose: str = ""
    may_cut_connection: bool = False
    probes_sudo: bool = False
    safe_to_interrupt: bool = True

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
        still_running: It had not ended when the waiting did: `Connection.stop` ends it.
        truncated: More came than is held in memory: the streams are beginnings.
        started: Seconds since the epoch on this machine; with `ended` it brackets the host's clock.
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
