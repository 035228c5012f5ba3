"""Image registries: the program, what its log says, the images it has, what nobody uses any more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, load_json, parsing, typed
from runbook_lib.facts.object_store import cause_of
from runbook_lib.masking import excerpt, excerpt_of_end
from runbook_lib.model.commands import Command, DockerQuery, Output

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Garbage",
    "LogFailure",
    "RegistryGarbage",
    "RegistryImage",
    "RegistryLog",
    "RegistryVersion",
    "ServedImage",
    "failures",
]

_NOT_FOUND = 127
_READS = frozenset({"GET", "HEAD"})
_FIELD = re.compile(r'([a-z_.]+)=("(?:[^"\\]|\\.)*"|\S*)')
_SERVER_ERROR = 500  # the first status code that says that the server failed
_PANIC = re.compile(r"^(?:panic|configuration error): |level=fatal")
_CA_BUNDLE = "LoadCustomCABundleError"
# Of the service's last start only: what was repaired by a restart is over.
_JOURNAL = r"""id=$(systemctl show --property=InvocationID --value -- "$1") || exit
[ -n "$id" ] || { echo "==> never started"; exit 0; }
journalctl --quiet --no-pager --output=cat --lines=2000 "_SYSTEMD_INVOCATION_ID=$id"
"""
_GARBAGE = re.compile(
    r"^(\d+) blobs marked, (\d+) blobs and (\d+) manifests eligible for deletion$", re.MULTILINE
)
_EMPTY = "Path not found"  # nothing was ever pushed


@dataclass(frozen=True)
class RegistryVersion(Fact[str | None]):
    """The version of docker-registry; None if it is not installed, or curl is not, with which its store is asked."""

    def request(self) -> Command:
        """Return the command."""
        script = "command -v curl >/dev/null || exit 127; exec docker-registry --version"
        return Command(("sh", "-c", script), accept=(0, _NOT_FOUND))

    def parse(self, output: Output) -> str | None:
        """Return the version.

        >>> RegistryVersion().parse(Output(0, "docker-registry github.com/docker/distribution 2.8.2+ds1"))
        '2.8.2'
        """
        if output.exit_code == _NOT_FOUND:
            return None
        match = re.search(r" v?([0-9]+(?:\.[0-9]+)+)", output.stdout)
        if not match:
            raise FactError(f"docker-registry --version: unexpected output {excerpt(output.stdout, 80)!r}")
        return match[1]


@dataclass(frozen=True)
class LogFailure:
    """A failure that the registry's log reports, and that nothing has refuted since.

    Args:
        id: As `store.bucket`; `registry.unknown` if the cause is not known.
        words: The cause, for a reader.
        hint: What to do.
        detail: What the log says.
    """

    id: str
    words: str
    hint: str
    detail: str


def failures(lines: Iterable[str]) -> tuple[LogFailure, ...]:
    """Return the failures in a registry's log that were not followed by a success of the same kind; each cause once.

    Clients see no more than "500 UNKNOWN": the cause is in the log only. Reading and writing are kept apart: a full
    store still answers those who read. Pure.

    Args:
        lines: The lines, the oldest first, in the format `text`, at log level `info`.
    """
    found: dict[tuple[bool, str], LogFailure] = {}
    for line in lines:
        if _PANIC.search(line) or _CA_BUNDLE in line:
            failure = _start_failure(line)
            found.setdefault((True, failure.id), failure)
            continue
        fields = {name: _unquoted(value) for name, value in _FIELD.findall(line)}
        uri = fields.get("http.request.uri", "")
        if not ("/blobs/" in uri or "/manifests/" in uri):
            continue  # other requests do not reach the store
        reads = fields.get("http.request.method") in _READS
        status = fields.get("http.response.status", "")
        if status.isdecimal() and int(status) < _SERVER_ERROR:
            found = {key: failure for key, failure in found.items() if key[0] != reads}
        elif status.isdecimal():
            failure = _failure(fields.get("err.detail", "") or fields.get("err.message", ""), reads=reads)
            found[reads, failure.id] = failure
    return tuple({failure.id: failure for failure in found.values()}.values())


def _failure(detail: str, *, reads: bool) -> LogFailure:
    shown = excerpt(" ".join(detail.split()), 300)
    # A push begins with reading: with a wrong key it would not get as far as writing. The client library repeats a
    # write that the store has failed, and signs it wrongly then.
    if not reads and "SignatureDoesNotMatch" in detail:
        return LogFailure(
            "store.full",
            "the store accepts the key for reading, but fails to write: the store is full, or its disk fails",
            "make room in the store, or raise its quota; the store's own log says which",
            shown,
        )
    cause = cause_of(detail)
    if cause is None:
        return LogFailure("registry.unknown", "unknown", "look at the registry's log", shown)
    return LogFailure(cause.id, cause.words, cause.hint, shown)


def _start_failure(line: str) -> LogFailure:
    shown = excerpt(" ".join(line.split()), 300)
    if _CA_BUNDLE in line:
        return LogFailure(
            "registry.ca-bundle",
            "the registry cannot start with AWS_CA_BUNDLE in its environment",
            "remove that variable; authorities are given in SSL_CERT_FILE",
            shown,
        )
    return LogFailure("registry.start", "the registry cannot start", "correct its configuration", shown)


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    return value[1:-1].replace(r"\n", "\n").replace(r"\t", "\t").replace(r"\"", '"').replace(r"\\", "\\")


@dataclass(frozen=True)
class RegistryLog(Fact[tuple[LogFailure, ...]]):
    """The failures in the log of the registry on the host, since its last start (`failures`).

    Args:
        unit: The registry's service.
    """

    unit: str

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _JOURNAL, "sh", self.unit), sudo=True)

    def parse(self, output: Output) -> tuple[LogFailure, ...]:
        """Return the failures; a registry that was not started, or that has no log, is one: nothing is proven."""
        lines = lines_of(output.stdout)
        if lines == ["==> never started"]:
            words, hint = "the registry has not been started since the host booted", "start its service"
            return (
                LogFailure("registry.not-started", words, hint, f"systemd recorded no start of {self.unit}"),
            )
        if not lines:
            words = "the journal has nothing from the registry's last start"
            hint = "let the registry log at level info, and journald keep its journal"
            return (LogFailure("registry.no-log", words, hint, f"no line of {self.unit}"),)
        return failures(lines)


@dataclass(frozen=True)
class ServedImage:
    """What a registry answers the host's engine that asks for an image.

    Args:
        digest: The digest of the image's manifest; empty if the registry does not serve the image.
        problem: Why not; empty if it does.
    """

    digest: str
    problem: str = ""


@dataclass(frozen=True)
class RegistryImage(Fact[ServedImage]):
    """An image in its registry, as the host's engine sees it: with the engine's certificates. Nothing is pulled.

    Args:
        name: As `192.168.7.31:5000/redis-server:1`.
    """

    name: str

    def request(self) -> DockerQuery:
        """Return the query."""
        return DockerQuery("inspect_distribution", (self.name,))

    def parse(self, output: Output) -> ServedImage:
        """Return the answer."""
        inspected = load_json(output, "docker distribution inspect")
        if inspected is None:
            return ServedImage("", excerpt(output.stderr.strip(), 300) or "the registry lacks the image")
        with parsing(f"docker distribution inspect of {self.name}"):
            return ServedImage(typed(str, inspected["Descriptor"]["digest"]))

    def absent(self) -> ServedImage:
        """Return that nothing is served: there is no engine to ask with."""
        return ServedImage("", "there is no Docker engine to ask with")


@dataclass(frozen=True)
class Garbage:
    """What a garbage collection would delete.

    Args:
        blobs: How many layers and configurations.
        manifests: How many manifests.
    """

    blobs: int
    manifests: int


@dataclass(frozen=True)
class RegistryGarbage(Fact[Garbage | None]):
    """What no image of the registry uses any more; None if that cannot be known, as while the store is away.

    Args:
        configuration: The registry's configuration file.
        environment: File with the variables of its service.
        untagged: Whether images without a tag count as unused.
    """

    configuration: str
    environment: str
    untagged: bool = False

    def request(self) -> Command:
        """Return the command, which only marks."""
        return self.collect("--dry-run")

    def collect(self, *options: str) -> Command:
        """Return the command that collects; for `operations/registry.py`.

        Args:
            options: Further options.
        """
        script = (
            'set -a; . "$1"; set +a; shift; exec env -u AWS_CA_BUNDLE docker-registry garbage-collect "$@"'
        )
        more = (*options, *("--delete-untagged",) * self.untagged)
        argv = ("sh", "-c", script, "sh", self.environment, *more, self.configuration)
        return Command(argv, sudo=True, accept=tuple(range(256)), timeout=900.0)

    def parse(self, output: Output) -> Garbage | None:
        """Return the numbers, from the last line."""
        counts = _GARBAGE.search(output.stdout)
        if counts:
            return Garbage(int(counts[2]), int(counts[3]))
        if _EMPTY in output.stderr + output.stdout:
            return Garbage(0, 0)
        if output.exit_code == 0:
            raise FactError(f"garbage-collect: unexpected output {excerpt_of_end(output.stdout, 80)!r}")
        return None

    @property
    def label(self) -> str:
        """The configuration."""
        return f"{self.id}({self.configuration}{', untagged' if self.untagged else ''})"
