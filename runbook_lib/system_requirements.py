"""System programs that each part of the library needs, and how to install them.

`python -m runbook_lib.system_requirements [--install] PART...` reports what is missing, or installs it (Debian and
Ubuntu, as root). Installed services are not started, also not at the next boot.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from runbook_lib.apt_without_services import install_packages
from runbook_lib.errors import Interrupted, RequirementError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PARTS", "Program", "install", "main", "missing", "require"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Program:
    """A required program and the Debian package that contains it."""

    name: str
    package: str
    purpose: str


_SSH = Program("ssh", "openssh-client", "log in to hosts by hand")
_HOSTS = (
    Program("apt-get", "apt", "find this machine's Debian mirror"),
    Program("mmdebstrap", "mmdebstrap", "build the hosts' root file systems"),
    Program("apt-cacher-ng", "apt-cacher-ng", "cache the packages that hosts install"),
    Program("socat", "socat", "forward connections between the lab's networks"),
    _SSH,
    Program("ssh-keygen", "openssh-client", "create the lab's SSH keys"),
)
PARTS: dict[str, tuple[Program, ...]] = {
    "lab": (
        *_HOSTS,
        Program("systemd-nspawn", "systemd-container", "boot the hosts"),
        Program("docker-registry", "docker-registry", "serve the lab's container images"),
        Program("buildah", "buildah", "build the lab's container images"),
        Program("skopeo", "skopeo", "copy the lab's container images"),
        Program("ip", "iproute2", "set up the network of the image build"),
        Program("nsenter", "util-linux", "enter the lab's network namespaces"),
    ),
    "vm": (
        *_HOSTS,
        Program("qemu-system-x86_64", "qemu-system-x86", "boot virtual machines"),
        Program("qemu-img", "qemu-utils", "create VM disks"),
        Program("mke2fs", "e2fsprogs", "create VM file systems"),
        Program("newuidmap", "uidmap", "build root file systems as an ordinary user"),
    ),
    "el": (
        Program("rpm", "rpm", "test package installation on the EL family"),
        Program("rpmbuild", "rpm", "build packages for a test repository"),
        Program("dnf", "dnf", "test package installation on the EL family"),
        Program("createrepo_c", "createrepo-c", "index the test repository"),
        Program("gpg", "gnupg", "sign the test packages and check their key"),
        Program("curl", "curl", "download the repository key"),
    ),
    "pages": (Program("chromium", "chromium", "render reports in tests"),),
    "disk": (Program("strace", "strace", "simulate disk failures in tests"),),
    "sshd": (
        Program("sshd", "openssh-server", "test connections against a real SSH server"),
        Program("sudo", "sudo", "test commands that run as root"),
        Program("socat", "socat", "test a connection through a proxy command"),
        Program("tcsh", "tcsh", "test an account whose login shell is not a POSIX shell"),
        Program("fish", "fish", "test an account whose login shell is not a POSIX shell"),
    ),
    "reference": (
        Program("ifquery", "ifupdown", "compare how interfaces files are read with ifupdown itself"),
        Program("grub-emu", "grub-emu", "compare how boot menus are read with GRUB itself"),
        Program("nft", "nftables", "compare how rules are written and read with nftables itself"),
        Program(
            "iptables-restore", "iptables", "compare how rules are written and read with iptables itself"
        ),
    ),
}
OPTIONAL = {
    "pages": "for tests only",
    "el": "for tests only",
    "disk": "for tests only",
    "reference": "for tests only",
    "sshd": "for tests only",
    "vm": "for practice hosts that are virtual machines",
}
"""Parts that are optional, and what they are for."""

_NEEDS_ROOT = frozenset({"lab"})
_SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_OWN_HOSTS = (
    "or run the runbooks on your own hosts, which needs no lab: write an inventory (`runbook new` makes one to start"
    " from) and pass it with `-p inventory FILE`"
)


def missing(*parts: str) -> list[Program]:
    """Return the programs of the given parts that are not installed; without arguments, of all parts."""
    wanted = dict.fromkeys(program for part in parts or PARTS for program in PARTS[part])
    return [program for program in wanted if _find(program.name) is None]


def require(part: str) -> None:
    """Raise unless this machine meets the requirements of a part.

    Raises:
        RequirementError: A program or a privilege is missing; the hint gives the command that fixes it.
    """
    lacking = missing(part)
    if lacking:
        names = ", ".join(f"{program.name} (to {program.purpose})" for program in lacking)
        raise RequirementError(
            f"the {part} needs programs that are not installed: {names}", hint=_advice(lacking)
        )
    if part in _NEEDS_ROOT and os.geteuid() != 0:
        raise RequirementError(
            f"the {part} needs root: it creates network namespaces and boots containers",
            hint=f"use sudo; or use a VM, which needs no root: `runbook lab up --hosts cloud`; {_OWN_HOSTS}",
        )


def install(*parts: str) -> list[str]:
    """Install the missing programs of the given parts.

    Returns:
        The installed packages; empty if nothing was missing.

    Raises:
        RequirementError: This machine is not Debian or Ubuntu, this user is not root, or apt failed.
        KeyboardInterrupt: A signal has ended it; no package is half installed.
    """
    lacking = missing(*parts)
    if not lacking:
        return []
    packages = sorted({program.package for program in lacking})
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        names = ", ".join(program.name for program in lacking)
        raise RequirementError(f"programs are not installed: {names}", hint=_advice(lacking))
    install_packages(packages)
    still = missing(*parts)
    if still:
        raise RequirementError(
            f"still missing after installing {', '.join(packages)}: {', '.join(p.name for p in still)}",
            hint="check that PATH contains the directories of these programs",
        )
    return packages


class _Echo(logging.Handler):
    """Prints what is logged on standard output: it is progress, not a problem."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(record.getMessage())


def main(arguments: Sequence[str] | None = None) -> int:
    """Report or install what is missing; for the Makefile and scripts.

    Returns:
        Exit code: 0 if nothing is missing (any more), 4 if it was interrupted, else 2.
    """
    parser = argparse.ArgumentParser(
        prog="python -m runbook_lib.system_requirements",
        description="Report the programs of each PART that this machine lacks, or install them.",
    )
    parser.add_argument("--install", action="store_true", help="install what is missing")
    parser.add_argument(
        "parts", nargs="+", choices=sorted(PARTS), metavar="PART", help=", ".join(sorted(PARTS))
    )
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, handlers=[_Echo()])
    try:
        if given.install:
            installed = install(*given.parts)
            _log.info("installed: %s", ", ".join(installed) or "nothing, all programs are present")
        for part in given.parts:
            require(part)
    except RequirementError as problem:
        click.echo(str(problem), err=True)
        return problem.exit_code
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return Interrupted.exit_code
    return 0


def _find(program: str) -> str | None:
    """Search PATH and the system directories that an ordinary user's PATH lacks."""
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(_SYSTEM_DIRECTORIES))


def _advice(lacking: Sequence[Program]) -> str:
    packages = " ".join(sorted({program.package for program in lacking}))
    return f"as root: apt-get install {packages}; {_OWN_HOSTS}"


if __name__ == "__main__":
    sys.exit(main())
