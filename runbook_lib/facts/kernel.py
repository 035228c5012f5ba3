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
_SKIP_OTHERS = 'case $image in *"*"|*.dpkg-*|*.rpm*|*-rescue-*) continue;; esac'
_LIST = r"""for image in /boot/vmlinuz-*; do
  @SKIP@
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
""".replace("@SKIP@", _SKIP_OTHERS)
# Asked, from the most exact to the least: the mark of Debian's packages, `needs-restarting` of EL, a script that
# would have set the mark, and the kernels in /boot. A container boots no kernel of its own: none can require a reboot.
_REQUIRED = """\
if [ -e /run/reboot-required ] || [ -e /var/run/reboot-required ]; then
  echo required; cat /run/reboot-required.pkgs 2>/dev/null || true
elif command -v needs-restarting >/dev/null; then
  said=$(needs-restarting -r 2>&1); code=$?
  case $code:$said in # 1 is its exit code for every error too
    0:*) echo not-required needs-restarting;; 1:*"Reboot is required"*) echo required;;
    *) echo unknown needs-restarting;; esac
elif grep -qs reboot-required /etc/kernel/postinst.d/*; then echo not-required mark
elif systemd-detect-virt --container --quiet 2>/dev/null || [ -e /.dockerenv ] || [ -e /run/.containerenv ]; then
  echo not-required container
else
  echo kernels "$(uname -r)"
  booted=$(sed -n 's/^btime //p' /proc/stat)
  for image in /boot/vmlinuz-*; do
    @SKIP@
    changed=$(stat -c %Z "$image")
    echo "${image#/boot/vmlinuz-} $([ "${changed:-0}" -gt "${booted:-0}" ] && echo since-boot || echo before-boot)"
  done
fi
""".replace("@SKIP@", _SKIP_OTHERS)
_REASONS = {
    "needs-restarting": "needs-restarting -r",
    "mark": "no mark by an installed package",
    "container": "a container boots no kernel of its own",
}
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
    """Whether installed packages require a reboot.

    Args:
        required: None if nothing on the host shows it.
        packages: The packages that require it, or the release of the newer kernel; empty where the host names none.
        reason: How this is known, or why it is not.
    """

    required: bool | None
    packages: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class RebootRequired(Fact[RebootInfo]):
    """/run/reboot-required (Debian, Ubuntu) or `needs-restarting -r` (EL); without them, the newest kernel in /boot."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _REQUIRED))

    def parse(self, output: Output) -> RebootInfo:
        r"""Return whether a reboot is required, by which packages, and how that is known.

        >>> kernels = "kernels 6.1.0-9-amd64\n6.1.0-10-amd64 since-boot\n6.1.0-9-amd64 before-boot\n"
        >>> RebootRequired().parse(Output(0, kernels)).packages
        ('6.1.0-10-amd64',)
        """
        first, *rest = lines_of(output.stdout) or [""]
        word, _, of = first.partition(" ")
        if word == "required" and not of:
            packages = tuple(sorted({name for line in rest for name in line.split()}))
            return RebootInfo(required=True, packages=packages, reason="required by an installed package")
        if word == "not-required" and of in _REASONS and not rest:
            return RebootInfo(required=False, packages=(), reason=_REASONS[of])
        if word == "unknown" and of == "needs-restarting" and not rest:
            return RebootInfo(required=None, packages=(), reason="needs-restarting -r failed")
        if word == "kernels" and of:
            with parsing("the list of kernels"):
                times = dict(line.split(" ") for line in rest)
            if set(times.values()) <= {"since-boot", "before-boot"}:
                return _by_kernels(of, times)
        raise FactError(f"reboot-required: unexpected output {excerpt(output.stdout, 80)!r}")


def _by_kernels(running: str, installed: dict[str, str]) -> RebootInfo:
    """Compare the running kernel with those in /boot of its flavor, such as `-cloud-amd64`.

    One of another flavor is not its successor. An update may also replace the image of the running release.
    """
    if running not in installed:
        return RebootInfo(
            required=None, packages=(), reason=f"the running kernel, {running}, is not in /boot"
        )
    newest = max((release for release in installed if _flavor(release) == _flavor(running)), key=_in_order)
    if _in_order(newest) > _in_order(running):
        reason = f"{newest} is newer than the running kernel, {running}"
        return RebootInfo(required=True, packages=(newest,), reason=reason)
    if installed[running] == "since-boot":
        return RebootInfo(
            required=True, packages=(running,), reason=f"the image of {running} was replaced since the boot"
        )
    return RebootInfo(required=False, packages=(), reason=f"{running} is the newest kernel in /boot")


def _flavor(release: str) -> str:
    """Return the end of a release that names no version.

    >>> _flavor("6.12.48+deb13-cloud-amd64"), _flavor("5.14.0-70.el9.x86_64+debug"), _flavor("5.14.0-70.el9.x86_64")
    ('-cloud-amd64', '+debug', '')
    """
    found = re.search(r"(?:-[A-Za-z]\w*)*(?:\+[A-Za-z]+)?$", release)
    return found.group() if found else ""


def _in_order(release: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts releases by their numbers: 10 comes after 9, and a number after a word."""
    parts = re.findall(r"[0-9]+|[A-Za-z]+", release)
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts)


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
