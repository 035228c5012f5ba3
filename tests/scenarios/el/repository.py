"""A package repository of our own, made by the real rpmbuild, rpmsign and createrepo_c."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
printf '[elrepo-kernel]\\nname=kernels\\nbaseurl=file://{place}/repo\\nenabled=0\\ngpgcheck=1\\n' \\
  > %{{buildroot}}/etc/yum.repos.d/elrepo.repo
%files
/etc/yum.repos.d/elrepo.repo
"""
_GPG = "%no-protection\nKey-Type: RSA\nKey-Length: 2048\nName-Real: {name}\nName-Email: {name}@example.org\n%commit\n"


@dataclass(frozen=True)
class Repository:
    """The repository, and two keys: the one its packages are signed with, and another."""

    place: Path
    fingerprint: str
    other_fingerprint: str

    @property
    def key(self) -> str:
        return f"file://{self.place}/key.asc"

    @property
    def both_keys(self) -> str:
        return f"file://{self.place}/both.asc"

    @property
    def release_package(self) -> str:
        return f"file://{self.place}/repo/elrepo-release-9-1.el9.elrepo.noarch.rpm"

    def add(self, name: str, version: str, *, signed: bool = True) -> None:
        """Build a package, sign it, and tell of it in the repository's metadata."""
        number, release = version.split("-")
        self.build(name, KERNEL.format(name=name, version=number, release=release), signed=signed)

    def build(self, name: str, spec: str, *, signed: bool = True) -> None:
        file = self.place / f"{name}.spec"
        file.write_text(spec)
        before = set(self.place.glob("repo/*.rpm"))
        flat = "_rpmfilename %{name}-%{version}-%{release}.%{arch}.rpm"
        self.run("rpmbuild", "--quiet", "-bb", "--define", f"_topdir {self.place}/build", "--define", flat,
                  "--define", f"_rpmdir {self.place}/repo", str(file))  # fmt: skip
        for package in set(self.place.glob("repo/*.rpm")) - before if signed else ():
            self.run(
                "rpmsign",
                "--define",
                "_gpg_name builder",
                "--define",
                "__gpg /usr/bin/gpg",
                "--addsign",
                str(package),
            )
        self.run("createrepo_c", "--quiet", "--update", f"{self.place}/repo")

    @classmethod
    def make(cls, place: Path) -> Repository:
        (place / "repo").mkdir(parents=True)
        (place / "gnupg").mkdir(mode=0o700)
        found = {}
        for name in ("builder", "stranger"):
            (place / name).write_text(_GPG.format(name=name))
            cls(place, "", "").run("gpg", "--batch", "--quiet", "--gen-key", str(place / name))
            told = cls(place, "", "").run("gpg", "--with-colons", "--fingerprint", name)
            found[name] = next(line.split(":")[9] for line in told.splitlines() if line.startswith("fpr"))
        made = cls(place, found["builder"], found["stranger"])
        made.run("gpg", "--armor", "--output", f"{place}/key.asc", "--export", "builder")
        made.run("gpg", "--armor", "--output", f"{place}/both.asc", "--export")
        made.build("elrepo-release", RELEASE.format(place=place))
        made.add("kernel-lt", "5.4.278-1.el9.elrepo")
        made.add("kernel-ml", "6.10.1-1.el9.elrepo")
        return made

    def end(self) -> None:
        """End gpg's agent: it would stay until it notices that its directory is gone."""
        self.run("gpgconf", "--kill", "all")

    def run(self, *command: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "GNUPGHOME": f"{self.place}/gnupg",
            "HOME": str(self.place),
        }
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
