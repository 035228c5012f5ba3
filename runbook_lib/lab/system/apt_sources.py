"""This machine's own apt configuration: where the lab's Debian packages come from."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from runbook_lib.errors import RequirementError
from runbook_lib.lab.system.subprocesses import run

__all__ = ["AptSource", "debian_sources", "machine_proxy", "parse_targets"]

# One line per index file that apt uses, whatever format the sources are written in (apt-get(8), indextargets).
_FORMAT = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)|$(CODENAME)"
_FIELDS = 5


@dataclass(frozen=True)
class AptSource:
    """One suite of one Debian repository."""

    uri: str
    suite: str

    @property
    def line(self) -> str:
        """The line for sources.list (sources.list(5), one-line format)."""
        return f"deb {self.uri} {self.suite} main"

    @property
    def through_cache(self) -> AptSource:
        """The source as hosts name it to the package cache: apt-cacher-ng downloads `http://HTTPS///` over TLS."""
        return dataclasses.replace(self, uri=re.sub(r"^https://", "http://HTTPS///", self.uri))

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port of the repository's server."""
        found = re.match(r"(https?)://(?:[^/@]*@)?([^/:]+)(?::(\d+))?", self.uri)
        if not found:
            return "", 0
        scheme, host, port = found.groups()
        return host, int(port or (443 if scheme == "https" else 80))


def parse_targets(text: str, distribution: str) -> list[AptSource]:
    """Return Debian's own suites for a distribution, from the output of `apt-get indextargets`.

    Args:
        text: Lines of URI, suite, component, origin and code name, separated by `|`.
        distribution: Code name of the hosts' Debian, such as `bookworm`. If this machine runs another Debian, its
            repositories are used with the suites renamed.

    >>> line = "http://mirror.example/debian/|bookworm-updates|main|Debian|bookworm-updates"
    >>> parse_targets(line, "bookworm")
    [AptSource(uri='http://mirror.example/debian/', suite='bookworm-updates')]
    """
    found: dict[AptSource, None] = {}
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) != _FIELDS:
            continue
        uri, suite, component, origin, codename = fields
        # Third parties have another origin; Debian's backports would bring newer versions than the release has.
        if component != "main" or origin != "Debian" or "backports" in suite or not uri.startswith("http"):
            continue
        base = re.sub(r"-(updates|security|proposed-updates)$", "", codename)
        kind = codename.removeprefix(base)
        found[AptSource(uri, suite if base == distribution else distribution + kind)] = None
    return list(found)


def debian_sources(distribution: str) -> list[AptSource]:
    """Return the Debian repositories that this machine's apt uses.

    Args:
        distribution: Code name of the hosts' Debian, such as `bookworm`.

    Raises:
        RequirementError: This machine's apt has no Debian repository, or its package lists were never downloaded.
    """
    text = run(
        "apt-get",
        "indextargets",
        "--format",
        _FORMAT,
        "Created-By: Packages",
        what="read apt's configuration",
    )
    sources = parse_targets(text, distribution)
    if not sources:
        raise RequirementError(
            "apt on this machine has no Debian repository (component main)",
            hint="run `apt-get update` once, or add a Debian source: the lab's hosts run Debian",
        )
    return sources


def machine_proxy() -> str | None:
    """Return the URL of the HTTP proxy that apt uses on this machine, or None."""
    text = run("apt-config", "dump", "Acquire::http::Proxy", what="read apt's configuration")
    found = re.search(r'^Acquire::http::Proxy "([^"]+)";', text, re.MULTILINE)
    return found.group(1) if found and found.group(1) != "DIRECT" else None
