"""This machine's own apt configuration: where the lab's Debian packages come from."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from runbook_lib.errors import RequirementError
from runbook_lib.lab.system.subprocesses import run

__all__ = ["AptSource", "debian_sources", "machine_proxy", "parse_targets"]

# One line an index that apt knows, whatever format the sources are written in (apt-get(8), indextargets).
_FORMAT = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)|$(CODENAME)"
_FIELDS = 5


@dataclass(frozen=True)
class AptSource:
    """One suite of one Debian repository."""

    uri: str
    suite: str

    @property
    def line(self) -> str:
        """The source as sources.list wants it (sources.list(5), one-line format)."""
        return f"deb {self.uri} {self.suite} main"

    @property
    def through_cache(self) -> AptSource:
        """The source as hosts ask the cache for it: apt-cacher-ng fetches `http://HTTPS///` over TLS."""
        return dataclasses.replace(self, uri=re.sub(r"^https://", "http://HTTPS///", self.uri))

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port of the repository."""
        found = re.match(r"(https?)://(?:[^/@]*@)?([^/:]+)(?::(\d+))?", self.uri)
        if not found:
            return "", 0
        scheme, host, port = found.groups()
        return host, int(port or (443 if scheme == "https" else 80))


def parse_targets(text: str, distribution: str) -> list[AptSource]:
    """Return Debian's own suites for a distribution, from what `apt-get indextargets` said.

    Args:
        text: Lines of URI, suite, component, origin and code name, separated by `|`.
        distribution: Code name the hosts run, such as `bookworm`. A machine that runs another Debian
            gives its repositories; the suites are renamed.

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
        # Third parties name themselves otherwise; Debian's backports would bring versions nobody asked for.
        if component != "main" or origin != "Debian" or "backports" in suite or not uri.startswith("http"):
            continue
        base = re.sub(r"-(updates|security|proposed-updates)$", "", codename)
        kind = codename.removeprefix(base)
        found[AptSource(uri, suite if base == distribution else distribution + kind)] = None
    return list(found)


def debian_sources(distribution: str) -> list[AptSource]:
    """Return where this machine gets Debian's packages.

    Raises:
        RequirementError: Its apt configuration names no Debian repository, or was never updated.
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
            "apt on this machine knows no Debian repository (component main)",
            hint="run `apt-get update` once, or add a Debian source; the lab's hosts are Debian",
        )
    return sources


def machine_proxy() -> str | None:
    """Return the HTTP proxy apt uses on this machine, if any."""
    text = run("apt-config", "dump", "Acquire::http::Proxy", what="read apt's configuration")
    found = re.search(r'^Acquire::http::Proxy "([^"]+)";', text, re.MULTILINE)
    return found.group(1) if found and found.group(1) != "DIRECT" else None
