"""Packages of the Docker engine by family of distributions, and where each family gets them (book S11)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from runbook_lib.model.commands import Command
from runbook_lib.operations import files, packages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runbook_lib.facts.release import ReleaseInfo

__all__ = ["PACKAGES", "install_engine", "missing"]

PACKAGES = {
    "debian": ("docker.io",),
    "el6": ("docker-io",),  # from EPEL, as in the book (S11)
    "el7": ("docker",),  # from the distribution's "extras"
    "el": ("docker-ce", "docker-ce-cli", "containerd.io"),  # EL8 and later package no engine
}
"""The engine's packages, by family."""
# Only recommended by docker.io: systems without AppArmor do not need it.
_APPARMOR = {"debian": ("apparmor",)}
# From version 26 on docker.io only recommends the package with the client; before, it contains the client.
_CLIENT = {"debian": ("docker-cli",)}
_UNLESS_THERE = 'command -v docker >/dev/null || exec "$@"'
_DOCKER_CE_FILE = "/etc/yum.repos.d/runbook-docker-ce.repo"
_DOCKER_CE_KEY = "https://download.docker.com/linux/centos/gpg"
_DOCKER_CE_FINGERPRINT = "060A61C51B558A7F742B77AAC52FEB6B621E9F35"  # source: docs/el.md
_DOCKER_CE = f"""\
[docker-ce-stable]
name=Docker CE
baseurl=https://download.docker.com/linux/centos/$releasever/$basearch/stable
enabled=1
gpgcheck=1
gpgkey={_DOCKER_CE_KEY}
"""
# A repository that cannot be read would make every later dnf command on the host fail.
_TRY_REPOSITORY = (
    "dnf --quiet --disablerepo='*' --enablerepo=docker-ce-stable makecache"
    ' || { code=$?; rm -f -- "$1"; exit "$code"; }'
)
_EXTRAS = 7  # the only EL release with an engine in its own repository


def install_engine(release: ReleaseInfo, *, apparmor: bool) -> tuple[Command, ...]:
    """Return the commands that install the engine and its client, after adding their source where one is needed.

    Args:
        release: The host's distribution.
        apparmor: Install the parser of AppArmor too.
    """
    names = _merged(PACKAGES, _APPARMOR) if apparmor else PACKAGES
    return (*_source(release), *packages.install(release, names), *_client(release))


def missing(*, client: bool, apparmor: bool) -> dict[str, tuple[str, ...]]:
    """Return the packages, by family, that a host with an engine still needs.

    Args:
        client: The client is missing.
        apparmor: The parser of AppArmor is missing.
    """
    names: dict[str, tuple[str, ...]] = dict(_APPARMOR) if apparmor else {}
    return _merged(_CLIENT, names) if client else names


def _merged(
    names: Mapping[str, tuple[str, ...]], more: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    return {family: (*packages, *more.get(family, ())) for family, packages in names.items()}


def _source(release: ReleaseInfo) -> tuple[Command, ...]:
    """Return the commands that add the engine's package source, unless the distribution has the engine itself."""
    if release.family != "el" or packages.major(release) == _EXTRAS:
        return ()
    if packages.major(release) < _EXTRAS:
        return packages.install(release, {"el": ("epel-release",)})
    return (
        packages.import_key(_DOCKER_CE_KEY, _DOCKER_CE_FINGERPRINT),
        files.write(_DOCKER_CE_FILE, _DOCKER_CE, purpose="Docker's repository"),
        Command(
            ("sh", "-c", _TRY_REPOSITORY, "sh", _DOCKER_CE_FILE),
            sudo=True,
            timeout=300.0,
            purpose="read Docker's repository; if it has nothing for this release, remove it again",
        ),
    )


def _client(release: ReleaseInfo) -> tuple[Command, ...]:
    """Return the command that installs the client unless the engine's package has brought it."""
    if release.family not in _CLIENT:
        return ()
    *_, install = packages.install(release, _CLIENT)
    return (
        dataclasses.replace(
            install,
            argv=("sh", "-c", _UNLESS_THERE, "sh", *install.argv),
            purpose="install the client, where it is a package of its own",
        ),
    )
