"""The Docker engine: its version, its command line, its own information."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, load_json, parsing, typed
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, DockerQuery, Output

__all__ = ["ClientVersion", "EngineArguments", "EngineInfo", "EngineSummary", "EngineVersion"]

_NOT_FOUND = 127


@dataclass(frozen=True)
class EngineVersion(Fact[str | None]):
    """The installed engine's version, running or not; None if there is no engine."""

    def request(self) -> Command:
        """Return the command; it extends the search path, since a user's own may lack dockerd's directory."""
        return Command(
            ("sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; exec dockerd --version"), accept=(0, _NOT_FOUND)
        )

    def parse(self, output: Output) -> str | None:
        """Return the version.

        >>> EngineVersion().parse(Output(0, "Docker version 20.10.24+dfsg1, build 297e128"))
        '20.10.24'
        """
        return _version(output, "dockerd")


@dataclass(frozen=True)
class ClientVersion(Fact[str | None]):
    """The version of the command `docker`, which may be a package of its own; None if there is none."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", "exec docker --version"), accept=(0, _NOT_FOUND))

    def parse(self, output: Output) -> str | None:
        """Return the version.

        >>> ClientVersion().parse(Output(0, "Docker version 28.5.2+dfsg4, build 89c5e8f"))
        '28.5.2'
        """
        return _version(output, "docker")


def _version(output: Output, program: str) -> str | None:
    if output.exit_code == _NOT_FOUND:
        return None
    match = re.search(r"version v?([0-9]+(?:\.[0-9]+)+)", output.stdout)
    if not match:
        raise FactError(f"{program} --version: unexpected output {excerpt(output.stdout, 80)!r}")
    return match[1]


@dataclass(frozen=True)
class EngineArguments(Fact[tuple[str, ...]]):
    """The options on the running engine's command line; empty if it is not running."""

    def request(self) -> Command:
        """Return the command."""
        words = ("ps", "-ww", "-o", "args=", "-C", "dockerd")
        return Command(words, accept=(0, 1), secret_values="secret of the Docker engine")  # noqa: S106 - its name

    def parse(self, output: Output) -> tuple[str, ...]:
        """Return the first engine's arguments, without the program; `ps` joins them with blanks, unquoted."""
        if output.stderr.strip():
            raise FactError(f"ps: {excerpt(output.stderr.strip(), 200)}")
        if not output.stdout:
            return ()
        program, *arguments = lines_of(output.stdout)[0].split() or [""]
        if program.rpartition("/")[2] != "dockerd":
            raise FactError(f"ps: unexpected output {excerpt(output.stdout, 80)!r}")
        return tuple(arguments)


@dataclass(frozen=True)
class EngineSummary:
    """The running engine's information about itself.

    Args:
        version: As `20.10.24`.
        storage: Storage driver.
        mirrors: Registry mirrors, with a trailing slash as the engine writes them.
        firewall: What it writes firewall rules with, as `iptables`; empty before version 28, which does not say it.
    """

    version: str
    storage: str
    mirrors: tuple[str, ...]
    firewall: str = ""


@dataclass(frozen=True)
class EngineInfo(Fact[EngineSummary | None]):
    """The running engine's information about itself; None if no engine is running (mode `plan` only)."""

    def request(self) -> DockerQuery:
        """Return the query."""
        return DockerQuery("info")

    def parse(self, output: Output) -> EngineSummary:
        """Return the summary."""
        info = load_json(output, "docker info")
        with parsing("docker info"):
            mirrors = (info.get("RegistryConfig") or {}).get("Mirrors") or []
            return EngineSummary(
                version=typed(str, info["ServerVersion"]),
                storage=typed(str, info["Driver"]),
                mirrors=tuple(typed(str, mirror) for mirror in typed(list, mirrors)),
                firewall=typed(str, (info.get("FirewallBackend") or {}).get("Driver") or ""),
            )

    def absent(self) -> None:
        """Return None: no engine is running yet."""
        return
