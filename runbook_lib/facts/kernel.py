"""Kernels: the running one, the installed ones, and what booting them depends on (book S9, S10)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = [
    "BootSpace",
    "InstalledKernel",
    "InstalledKernels",
    "Kernel",
    "KernelInfo",
    "RebootInfo",
    "RebootRequired",
    "SecureBoot",
]

_FIELDS = 3
# A kernel is an image in /boot, which the boot loader can boot, and the package that owns it.
_LIST = r"""for image in /boot/vmlinuz-*; do
  case $image in *"*"|*.dpkg-*|*.rpm*|*-rescue-*) continue;; esac
  release=${image#/boot/vmlinuz-}
  if command -v dpkg-query >/dev/null; then
    owner=$(dpkg-query --search "$image" 2>/dev/null | cut -d: -f1)
    package=$([ -z "$owner" ] || dpkg-query --show --showformat='${Package}\t${Version}' "$owner")
  else
    package=$(rpm -qf --queryformat '%{NAME}\t%{VERSION}-%{RELEASE}' "$image" 2>/dev/null) || package=
  fi
  initrd=without
  for file in "/boot/initrd.img-$release" "/boot/initramfs-$release.img"; do [ ! -s "$file" ] || initrd=with; done
  printf '%s\t%s\t%s\n' "$release" "$initrd" "$package"
done
"""
_REQUIRED = """\
if [ -e /run/reboot-required ] || [ -e /var/run/reboot-required ]; then
  echo required; cat /run/reboot-required.pkgs 2>/dev/null || true
elif command -v needs-restarting >/dev/null; then needs-restarting -r >/dev/null 2>&1 || echo required
fi
"""
# The variable's last byte is its value, after four bytes of attributes (UEFI specification).
_SECURE = """\
for file in /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c; do
  if [ -e "$file" ]; then od -An -t u1 "$file"; else echo none; fi
done
"""


@dataclass(frozen=True)
class KernelInfo:
    """The running kernel: its release, as `6.1.0-31-amd64`, and the machine, as `x86_64`."""

    system: str
    release: str
    machine: str


@dataclass(frozen=True)
class Kernel(Fact[KernelInfo]):
    """The running kernel."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("uname", "-s", "-r", "-m"))

    def parse(self, output: Output) -> KernelInfo:
        """Return the kernel.

        >>> Kernel().parse(Output(0, "Linux 6.1.0-31-amd64 x86_64")).release
        '6.1.0-31-amd64'
        """
        fields = output.stdout.split()
        if len(fields) != _FIELDS or not re.match(r"[0-9]+\.[0-9]", fields[1]):
            raise FactError(f"uname: unexpected output {excerpt(output.stdout, 80)!r}")
        return KernelInfo(*fields)


@dataclass(frozen=True)
class InstalledKernel:
    """A kernel that could be booted.

    Args:
        release: As `uname -r` would print it.
        package: The package that owns the image; None if no package does.
        version: The package's version.
        initrd: Whether its initial RAM disk exists and is not empty.
    """

    release: str
    package: str | None
    version: str | None
    initrd: bool


@dataclass(frozen=True)
class InstalledKernels(Fact[tuple[InstalledKernel, ...]]):
    """The kernels in /boot with their packages, from dpkg or rpm."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _LIST))

    def parse(self, output: Output) -> tuple[InstalledKernel, ...]:
        """Return the kernels in the order of /boot; empty in a container."""
        found = []
        for line in lines_of(output.stdout):
            with parsing("the list of kernels"):
                release, initrd, *owner = line.split("\t")
                package, version = [field for field in owner if field] or (None, None)
                if initrd not in {"with", "without"}:
                    raise ValueError(line)
                found.append(InstalledKernel(release, package, version, initrd == "with"))
        return tuple(found)


@dataclass(frozen=True)
class BootSpace(Fact[int]):
    """Free space in /boot, in MiB (`df -P`, the same on EL6)."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("df", "-P", "-m", "/boot"))

    def parse(self, output: Output) -> int:
        """Return the space."""
        with parsing("df"):
            return int(lines_of(output.stdout)[1].split()[3])


@dataclass(frozen=True)
class RebootInfo:
    """Whether installed packages require a reboot, and which."""

    required: bool
    packages: tuple[str, ...]


@dataclass(frozen=True)
class RebootRequired(Fact[RebootInfo]):
    """/run/reboot-required (Debian, Ubuntu) or `needs-restarting -r` (EL); False without either."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _REQUIRED))

    def parse(self, output: Output) -> RebootInfo:
        """Return whether a reboot is required, and by which packages."""
        first, *packages = output.stdout.split() or [""]
        if first not in {"", "required"}:
            raise FactError(f"reboot-required: unexpected output {excerpt(output.stdout, 80)!r}")
        return RebootInfo(bool(first), tuple(sorted(set(packages))))


@dataclass(frozen=True)
class SecureBoot(Fact[bool]):
    """Whether secure boot is on: the firmware boots signed kernels only."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _SECURE))

    def parse(self, output: Output) -> bool:
        """Return whether it is on; False without UEFI.

        >>> SecureBoot().parse(Output(0, "   6   0   0   0   1"))
        True
        """
        text = output.stdout.strip()
        if text == "none":
            return False
        with parsing("the firmware's variable SecureBoot"):
            return {"0": False, "1": True}[text.split()[-1]]
