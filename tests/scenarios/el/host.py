"""A stand-in for a host of the EL family: the real rpm and dnf in a root directory of their own.

The root directory is this machine's own under an overlay: without dpkg and apt, with os-release and /boot of an EL
system. What is written there is removed with the test. No kernel boots in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.facts.base import Facts
from runbook_lib.model.commands import Command, Output

if TYPE_CHECKING:
    from runbook_lib.model.plans import Check, Plan
    from runbook_lib.operations.base import Operation

FILES = Path(__file__).parent / "files"
OS_RELEASE = 'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n'
OS_RELEASE += 'PRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\n'
_DEBIAN = ("dpkg", "dpkg-query", "apt-get", "apt-cache", "update-grub", "grub-reboot", "systemd-detect-virt")


@dataclass(frozen=True)
class ElHost:
    """A root directory in which commands run."""

    root: Path
    shared: Path

    @classmethod
    def make(cls, directory: Path, shared: Path) -> ElHost:
        """Mount the root directory and write its files; `shared` is visible in it too. `end` unmounts it."""
        directory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "none", str(directory)], check=True)
        for name in ("upper", "work", "root"):
            (directory / name).mkdir()
        layers = f"lowerdir=/,upperdir={directory}/upper,workdir={directory}/work"
        subprocess.run(["mount", "-t", "overlay", "none", "-o", layers, str(directory / "root")], check=True)
        subprocess.run(["mount", "-t", "proc", "proc", str(directory / "root/proc")], check=True)
        host = cls(directory / "root", shared)
        inside = host.root / shared.relative_to("/")
        inside.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", str(shared), str(inside)], check=True)
        for program in _DEBIAN:
            for folder in ("usr/bin", "usr/sbin"):
                (host.root / folder / program).unlink(missing_ok=True)
        host.write("etc/os-release", OS_RELEASE)
        host.write("root/.rpmmacros", "%_dbpath /var/lib/rpm\n")
        for folder in ("etc/yum.repos.d", "etc/dnf/vars"):
            shutil.rmtree(host.root / folder, ignore_errors=True)
            (host.root / folder).mkdir(parents=True)
        host.write(
            "etc/dnf/dnf.conf", "[main]\ngpgcheck=1\nlocalpkg_gpgcheck=1\ninstallonly_limit=3\nbest=True\n"
        )
        return host

    def end(self) -> None:
        """Unmount everything."""
        inside = self.root / self.shared.relative_to("/")
        for path in (inside, self.root / "proc", self.root, self.root.parent):
            subprocess.run(["umount", "--lazy", str(path)], check=True)

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)

    def program(self, name: str, script: str = "") -> None:
        """Install a program of that name, which does nothing unless a script is given."""
        self.write(f"usr/bin/{name}", f"#!/bin/sh\n{script}\n")
        (self.root / "usr/bin" / name).chmod(0o755)

    def run(self, command: Command) -> Output:
        """Run a command in the root directory, as root."""
        done = subprocess.run(
            ["chroot", str(self.root), *command.argv],
            input=command.stdin or "",
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": "/root", "LC_ALL": "C.UTF-8"},
        )
        return Output(done.returncode, done.stdout, done.stderr)

    def read_facts(self, operation: Operation) -> Facts:
        """Return the facts an operation needs."""
        values = {}
        for fact in operation.facts():
            request = fact.request()
            assert isinstance(request, Command)
            output = self.run(request)
            assert output.exit_code in request.accept, f"{fact.label}: {output}"
            values[fact] = fact.parse(output)
        return Facts(values)

    def apply(self, operation: Operation) -> tuple[Plan, list[Check]]:
        """Plan, run and verify an operation, as a step does."""
        plan = operation.plan(self.read_facts(operation))
        for command in plan.commands:
            output = self.run(command)
            assert output.exit_code in command.accept, f"{command.text}: {output.stdout}{output.stderr}"
        return plan, operation.verify(self.read_facts(operation))
