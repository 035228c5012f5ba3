"""The distribution that a host runs (book S9: `lsb_release -a`)."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.model.commands import Command, Output

__all__ = ["FAMILIES", "Release", "ReleaseInfo"]

_FAMILIES = {
    "debian": "debian",
    "ubuntu": "debian",
    "rhel": "el",
    "centos": "el",
    "scientific": "el",
    "red hat": "el",
    "rocky": "el",
    "almalinux": "el",
    "ol": "el",
}
FAMILIES = frozenset(_FAMILIES.values())
"""The families of distributions that are known; each has a package manager in `operations/packages.py`."""
# Amazon Linux (2, 2023) and others name RHEL or CentOS as relatives, but have neither its repositories nor its numbers.
_EL_RELEASES = range(6, 11)
# EL6 has no os-release: `CentOS release 6.5 (Final)`.
_BEFORE_OS_RELEASE = re.compile(r"(CentOS|Scientific|Red Hat)[\w ]* release (\d+(?:\.\d+)*) ?\(.*\)")


@dataclass(frozen=True)
class ReleaseInfo:
    """A distribution.

    Args:
        identifier: `debian`, `ubuntu`, `rocky`, …
        version: `12`, `24.04`, …; empty on rolling releases.
        codename: `bookworm`, …; empty if the distribution has none.
        name: Name to show to people.
        family: `debian`, or `el` for RHEL 6 to 10 and what is built from it; otherwise `other`.
    """

    identifier: str
    version: str
    codename: str
    name: str
    family: str


@dataclass(frozen=True)
class Release(Fact[ReleaseInfo]):
    """The distribution, from os-release(5), or from redhat-release on EL6."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", "cat /etc/os-release 2>/dev/null || cat /etc/redhat-release"))

    def parse(self, output: Output) -> ReleaseInfo:
        """Return the distribution."""
        older = _BEFORE_OS_RELEASE.fullmatch(output.stdout.strip())
        if older:
            return ReleaseInfo(
                older[1].lower(), older[2], "", older[0], _family([older[1].lower()], older[2])
            )
        values = {}
        for line in lines_of(output.stdout):
            key, separator, value = line.partition("=")
            if separator and not key.startswith("#"):
                with parsing("/etc/os-release"):
                    values[key.strip()] = " ".join(shlex.split(value))
        if "ID" not in values:
            raise FactError("/etc/os-release has no ID")
        relatives = [values["ID"], *values.get("ID_LIKE", "").split()]
        return ReleaseInfo(
            identifier=values["ID"],
            version=values.get("VERSION_ID", ""),
            codename=values.get("VERSION_CODENAME", ""),
            name=values.get("PRETTY_NAME", values["ID"]),
            family=_family(relatives, values.get("VERSION_ID", "")),
        )


def _family(names: list[str], version: str) -> str:
    family = next((_FAMILIES[name] for name in names if name in _FAMILIES), "other")
    number = re.match(r"\d+", version)
    if family == "el" and not (number and int(number[0]) in _EL_RELEASES):
        return "other"
    return family
