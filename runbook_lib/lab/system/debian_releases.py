"""The Debian releases that practice hosts run, and the Docker engines that runbooks can install on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError
from runbook_lib.lab.system.apt_sources import AptSource, debian_sources

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RELEASES", "DebianRelease", "find_release", "package_pins", "package_sources"]

# What the engine's package needs of the same version. `docker-cli` is a package of its own from version 26 on.
_ENGINE_PACKAGES = "docker.io docker-cli containerd runc tini-static"
_PINS = """\
Package: *
Pin: release n={suite}
Pin-Priority: 50

Package: {packages}
Pin: release n={suite}
Pin-Priority: 990
"""


@dataclass(frozen=True)
class DebianRelease:
    """A release of Debian.

    Args:
        name: As `debian-13`.
        codename: As `trixie`.
        engines: Major version of the package `docker.io` -> code name of the release whose repository has it; the
            first one is this release's own.
    """

    name: str
    codename: str
    engines: Mapping[int, str]

    def engine_suite(self, engine: int) -> str:
        """Return the code name of the release whose repository has an engine.

        Args:
            engine: Its major version.

        Raises:
            InputError: This release cannot have that engine.
        """
        if engine not in self.engines:
            elsewhere = [release.name for release in RELEASES if engine in release.engines]
            known = " or ".join(map(str, self.engines))
            raise InputError(
                f"{self.name} has no Docker engine {engine}, but {known}",
                hint=f"release {elsewhere[0]} has it"
                if elsewhere
                else "practice hosts have the engines of Debian's own packages, which no other version has",
            )
        return self.engines[engine]


RELEASES = (
    DebianRelease("debian-12", "bookworm", {20: "bookworm"}),
    DebianRelease("debian-13", "trixie", {26: "trixie", 28: "forky"}),
)


def find_release(name: str) -> DebianRelease:
    """Return a release.

    Args:
        name: Its name or its code name.

    Raises:
        InputError: There is no such release.
    """
    for release in RELEASES:
        if name in {release.name, release.codename}:
            return release
    raise InputError(
        f"unknown release {name!r}",
        hint=f"practice hosts run {' or '.join(release.name for release in RELEASES)}",
    )


def package_sources(codename: str, engine: int | None) -> list[AptSource]:
    """Return the repositories of a host's packages.

    Args:
        codename: Code name of the host's release.
        engine: Major version of the Docker engine that the host can install; without it the release's own.

    Raises:
        InputError: The release cannot have that engine.
        RequirementError: This machine's apt has no Debian repository.
    """
    sources = debian_sources(codename)
    suite = _other_suite(codename, engine)
    if suite:
        sources += [source for source in debian_sources(suite) if source.suite == suite]
    return sources


def package_pins(codename: str, engine: int | None) -> str:
    """Return apt's preferences (apt_preferences(5)): only the engine comes from another release; empty without one.

    Args:
        codename: Code name of the host's release.
        engine: As for `package_sources`.

    Raises:
        InputError: The release cannot have that engine.
    """
    suite = _other_suite(codename, engine)
    return _PINS.format(suite=suite, packages=_ENGINE_PACKAGES) if suite else ""


def _other_suite(codename: str, engine: int | None) -> str:
    suite = codename if engine is None else find_release(codename).engine_suite(engine)
    return "" if suite == codename else suite
