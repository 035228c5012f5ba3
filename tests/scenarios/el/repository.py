"""A package repository for the tests, made by the real rpmbuild, rpmsign and createrepo_c."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KERNEL = """\
Name: {name}
Version: {version}
Release: {release}
Summary: Not a kernel: two files where one would have them
License: Public domain
%description
None.
%install
mkdir -p %{{buildroot}}/boot
echo image > %{{buildroot}}/boot/vmlinuz-%{{version}}-%{{release}}.x86_64
echo disk > %{{buildroot}}/boot/initramfs-%{{version}}-%{{release}}.x86_64.img
%files
/boot/*
"""
RELEASE = """\
Name: elrepo-release
Version: 9
Release: 1.el9.elrepo
Summary: Repository file
BuildArch: noarch
License: Public domain
%description
None.
%install
mkdir -p %{{buildroot}}/etc/yum.repos.d
printf '[elrepo-kernel]\\nname=kernels\\nbaseurl=file://{directory}/repo\\nenabled=0\\ngpgcheck=1\\n' \\
  > %{{buildroot}}/etc/yum.repos.d/elrepo.repo
%files
/etc/yum.repos.d/elrepo.repo
"""
_GPG = "%no-protection\nKey-Type: RSA\nKey-Length: 2048\nName-Real: {name}\nName-Email: {name}@example.org\n%commit\n"


@dataclass(frozen=True)
class Repository:
    """The repository with two keys: the key its packages are signed with, and another one."""

    directory: Path
    fingerprint: str
    other_fingerprint: str

    @property
    def key(self) -> str:
        return f"file://{self.directory}/key.asc"

    @property
    def both_keys(self) -> str:
        return f"file://{self.directory}/both.asc"

    @property
    def release_package(self) -> str:
        return f"file://{self.directory}/repo/elrepo-release-9-1.el9.elrepo.noarch.rpm"

    def add(self, name: str, version: str, *, signed: bool = True) -> None:
        """Build a package, sign it, and add it to the repository's metadata."""
        number, release = version.split("-")
        self.build(name, KERNEL.format(name=name, version=number, release=release), signed=signed)

    @contextlib.contextmanager
    def offering(self, name: str, version: str) -> Iterator[None]:
        """Have one more package for a while: other tests use the same repository, in any order."""
        before = set(self.directory.glob("repo/*.rpm"))
        try:
            self.add(name, version)
            yield
        finally:
            for package in set(self.directory.glob("repo/*.rpm")) - before:
                package.unlink()
            self._index()

    def build(self, name: str, spec: str, *, signed: bool = True) -> None:
        file = self.directory / f"{name}.spec"
        file.write_text(spec)
        before = set(self.directory.glob("repo/*.rpm"))
        flat = "_rpmfilename %{name}-%{version}-%{release}.%{arch}.rpm"
        self.run("rpmbuild", "--quiet", "-bb", "--define", f"_topdir {self.directory}/build", "--define", flat,
                  "--define", f"_rpmdir {self.directory}/repo", str(file))  # fmt: skip
        for package in set(self.directory.glob("repo/*.rpm")) - before if signed else ():
            self.run(
                "rpmsign",
                "--define",
                "_gpg_name builder",
                "--define",
                "__gpg /usr/bin/gpg",
                "--addsign",
                str(package),
            )
        self._index()

    def _index(self) -> None:
        self.run("createrepo_c", "--quiet", "--update", f"{self.directory}/repo")

    @classmethod
    def make(cls, directory: Path) -> Repository:
        (directory / "repo").mkdir(parents=True)
        (directory / "gnupg").mkdir(mode=0o700)
        found = {}
        for name in ("builder", "stranger"):
            (directory / name).write_text(_GPG.format(name=name))
            cls(directory, "", "").run("gpg", "--batch", "--quiet", "--gen-key", str(directory / name))
            keys = cls(directory, "", "").run("gpg", "--with-colons", "--fingerprint", name)
            found[name] = next(line.split(":")[9] for line in keys.splitlines() if line.startswith("fpr"))
        made = cls(directory, found["builder"], found["stranger"])
        made.run("gpg", "--armor", "--output", f"{directory}/key.asc", "--export", "builder")
        made.run("gpg", "--armor", "--output", f"{directory}/both.asc", "--export")
        made.build("elrepo-release", RELEASE.format(directory=directory))
        made.add("kernel-lt", "5.4.278-1.el9.elrepo")
        made.add("kernel-ml", "6.10.1-1.el9.elrepo")
        return made

    def end(self) -> None:
        """Stop gpg's agent, which would otherwise run until it notices that its directory is gone."""
        self.run("gpgconf", "--kill", "all")

    def run(self, *command: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "GNUPGHOME": f"{self.directory}/gnupg",
            "HOME": str(self.directory),
        }
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
