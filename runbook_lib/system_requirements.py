"""What this machine must have, part by part, and how to get it.

`python -m runbook_lib.system_requirements [--install] PART...` says what is missing, or installs it (Debian and
Ubuntu, as root). Nothing that is installed is started: a policy-rc.d(8) of ours tells package scripts so
while apt runs, and enabled units are disabled again.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["PARTS", "Program", "install", "main", "missing", "require"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Program:
    """A program some part needs, and the Debian package that has it."""

    name: str
    package: str
    purpose: str


_SSH = Program("ssh", "openssh-client", "reach hosts by hand")
_HOSTS = (
    Program("apt-get", "apt", "tell where Debian's packages come from"),
    Program("mmdebstrap", "mmdebstrap", "build the hosts' root file systems"),
    Program("apt-cacher-ng", "apt-cacher-ng", "keep the packages the hosts install"),
    Program("socat", "socat", "pass connections between the lab's networks"),
    _SSH,
    Program("ssh-keygen", "openssh-client", "make the lab's keys"),
)
PARTS: dict[str, tuple[Program, ...]] = {
    "lab": (
        *_HOSTS,
        Program("systemd-nspawn", "systemd-container", "boot the hosts"),
        Program("docker-registry", "docker-registry", "serve the lab's images"),
        Program("buildah", "buildah", "build the lab's images"),
        Program("skopeo", "skopeo", "store the lab's images"),
        Program("ip", "iproute2", "bring up the image build's own network"),
        Program("nsenter", "util-linux", "enter the lab's networks"),
    ),
    "vm": (
        *_HOSTS,
        Program("qemu-system-x86_64", "qemu-system-x86", "boot hosts with a kernel of their own"),
        Program("qemu-img", "qemu-utils", "make their disks"),
        Program("mke2fs", "e2fsprogs", "make their file system"),
        Program("newuidmap", "uidmap", "build it as an ordinary user"),
    ),
    "el": (
        Program("rpm", "rpm", "install packages as the EL family does, in tests"),
        Program("rpmbuild", "rpm", "build packages for a repository of the tests' own"),
        Program("dnf", "dnf", "the same"),
        Program("createrepo_c", "createrepo-c", "tell what is in that repository"),
        Program("gpg", "gnupg", "sign its packages and check its key"),
        Program("curl", "curl", "fetch that key"),
    ),
    "pages": (Program("chromium", "chromium", "look at reports as a reader does, in tests"),),
    "disk": (Program("strace", "strace", "let a disk fail, in tests"),),
    "sshd": (Program("sshd", "openssh-server", "test connections against a real SSH server"),),
}
OPTIONAL = {
    "pages": "for tests only",
    "el": "for tests only",
    "disk": "for tests only",
    "vm": "for practice hosts with a kernel of their own",
}
"""Parts without which most works, and what they are for."""

_NEEDS_ROOT = frozenset({"lab"})
_SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_POLICY = Path("/usr/sbin/policy-rc.d")
_SERVICES = ("apt-cacher-ng.service", "docker-registry.service", "ssh.service")
_OWN_HOSTS = (
    "or run the runbooks on your own hosts: write an inventory (params/example/ shows one) and give it with"
    " `-p inventory FILE`; that needs none of this"
)


def missing(*parts: str) -> list[Program]:
    """Return the programs of some parts that this machine lacks; of all parts without arguments."""
    wanted = dict.fromkeys(program for part in parts or PARTS for program in PARTS[part])
    return [program for program in wanted if _find(program.name) is None]


def require(part: str) -> None:
    """Do nothing if this machine has what a part needs.

    Raises:
        RequirementError: It lacks a program or a right; the hint gives the command that mends it.
    """
    lacking = missing(part)
    if lacking:
        names = ", ".join(f"{program.name} (to {program.purpose})" for program in lacking)
        raise RequirementError(
            f"the {part} needs programs this machine lacks: {names}", hint=_advice(lacking)
        )
    if part in _NEEDS_ROOT and os.geteuid() != 0:
        raise RequirementError(
            f"the {part} makes network namespaces and boots hosts: only root may",
            hint=f"use sudo; or `runbook lab up --hosts cloud`, a VM, needs no root; {_OWN_HOSTS}",
        )


def install(*parts: str) -> list[str]:
    """Install what some parts lack.

    Returns:
        The packages installed; empty when nothing was missing.

    Raises:
        RequirementError: This is no Debian or Ubuntu, this user is not root, or apt failed.
    """
    lacking = missing(*parts)
    if not lacking:
        return []
    packages = sorted({program.package for program in lacking})
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        names = ", ".join(program.name for program in lacking)
        raise RequirementError(f"this machine lacks {names}", hint=_advice(lacking))
    with _services_not_started():
        _apt("update", "--quiet")
        _apt("install", "--quiet", "--yes", "--no-install-recommends", *packages)
    still = missing(*parts)
    if still:
        raise RequirementError(
            f"installed {', '.join(packages)}, yet still missing: {', '.join(p.name for p in still)}",
            hint="see whether PATH has the directories programs are in",
        )
    return packages


def main(arguments: Sequence[str] | None = None) -> int:
    """Say or install what is missing; for Makefile and scripts.

    Returns:
        0 when nothing is missing (any more), else 2.
    """
    parser = argparse.ArgumentParser(
        prog="python -m runbook_lib.system_requirements", description=missing.__doc__
    )
    parser.add_argument("--install", action="store_true", help="install what is missing")
    parser.add_argument(
        "parts", nargs="+", choices=sorted(PARTS), metavar="PART", help=", ".join(sorted(PARTS))
    )
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if given.install:
            installed = install(*given.parts)
            _log.info("installed: %s", ", ".join(installed) or "nothing, all is there")
        for part in given.parts:
            require(part)
    except RequirementError as problem:
        _log.error("%s", problem)
        return problem.exit_code
    return 0


def _find(program: str) -> str | None:
    """Look also where an ordinary user's PATH does not."""
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(_SYSTEM_DIRECTORIES))


def _advice(lacking: Sequence[Program]) -> str:
    packages = " ".join(sorted({program.package for program in lacking}))
    return f"as root: apt-get install {packages}; {_OWN_HOSTS}"


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments]
    _log.info("running %s", " ".join(command))
    ended = subprocess.run(
        command, check=False, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if ended.returncode != 0:
        said = " | ".join((ended.stderr or ended.stdout).strip().splitlines()[-5:])
        raise RequirementError(
            f"`{' '.join(command)}` ended with {ended.returncode}: {said}",
            hint="run it by hand to see all it says",
        )


@contextlib.contextmanager
def _services_not_started() -> Iterator[None]:
    """Keep package scripts from starting daemons; a policy of the machine's own stays in force."""
    before = {unit for unit in _SERVICES if _unit_file(unit)}
    ours = not _POLICY.exists()
    if ours:
        _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            _POLICY.unlink(missing_ok=True)
        new = [unit for unit in _SERVICES if unit not in before and _unit_file(unit)]
        if new and shutil.which("systemctl"):
            # Not started now, nor at this machine's next boot.
            subprocess.run(["systemctl", "disable", "--quiet", *new], check=False, capture_output=True)


def _unit_file(unit: str) -> bool:
    return Path("/lib/systemd/system", unit).exists()


if __name__ == "__main__":
    sys.exit(main())
