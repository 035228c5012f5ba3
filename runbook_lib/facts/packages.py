"""The distribution's packages: what is installed, what could be, and who is at work on them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, parsing
from runbook_lib.model.commands import Command, Output

__all__ = ["LISTS_READ", "Holder", "ListsAge", "LockHolder", "PackageVersion", "UnfinishedPackages"]

# fcntl(2) locks of dpkg, apt and rpm; yum writes its process id into a file. A container's own apt is not the host's.
_LOCKS = r"""lslocks --noheadings --raw --notruncate --output PID,COMMAND,PATH 2>/dev/null |
  grep -E ' (/var/lib/(dpkg|apt|rpm|dnf)/|/usr/lib/sysimage/rpm/|/var/cache/(apt|dnf)/).*lock' |
  while read -r pid program path; do
    if [ "/proc/$pid/root$path" -ef "$path" ]; then echo "$pid $program $path"; fi
  done
if [ -e /var/run/yum.pid ]; then
  pid=$(cat /var/run/yum.pid); [ ! -d "/proc/$pid" ] || echo "$pid $(cat "/proc/$pid/comm") /var/run/yum.pid"
fi
echo end
"""
_VERSION = r"""if command -v dpkg-query >/dev/null; then
  dpkg-query --show --showformat='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null || echo none
else
  rpm -q --queryformat 'installed %{VERSION}-%{RELEASE}\n' "$1" || echo none
fi
"""
LISTS_READ = "/var/lib/apt/periodic/update-success-stamp"
"""Touched when apt has read all its lists without error: by our own command, and by Ubuntu's standard hook."""

# Times of the lists' own files do not do: an update that fails changes them too.
_AGE = rf"""if ! command -v apt-get >/dev/null; then echo unmanaged
elif [ -e {LISTS_READ} ]; then echo $(( $(date +%s) - $(stat -c %Y {LISTS_READ}) ))
else echo none
fi
"""


@dataclass(frozen=True)
class UnfinishedPackages(Fact[bool]):
    """Whether an installation was cut off in the middle (dpkg only; elsewhere it is False)."""

    def request(self) -> Command:
        """Return the command; it prints nothing where all is well. After a power cut only root may ask."""
        return Command(("sh", "-c", "if command -v dpkg >/dev/null; then dpkg --audit; fi"), sudo=True)

    def parse(self, output: Output) -> bool:
        """Return whether anything was printed."""
        return bool(output.stdout.strip())


@dataclass(frozen=True)
class Holder:
    """Who holds a lock of the package manager."""

    process: int
    program: str
    path: str


@dataclass(frozen=True)
class LockHolder(Fact[tuple[Holder, ...]]):
    """Who is at work on the host's packages (lslocks(8), yum's file)."""

    def request(self) -> Command:
        """Return the command; only root is told every path."""
        return Command(("sh", "-c", _LOCKS), sudo=True)

    def parse(self, output: Output) -> tuple[Holder, ...]:
        """Return the holders; none: installing may begin."""
        *lines, end = output.stdout.splitlines() or [""]
        if end != "end":
            raise FactError("the list of locks was cut off")
        with parsing("lslocks"):
            found = []
            for process, program, path in (line.split(None, 2) for line in lines):
                found.append(Holder(int(process), program, path))
            return tuple(found)


@dataclass(frozen=True)
class PackageVersion(Fact[str | None]):
    """A package's installed version, by dpkg or rpm; None where it is not installed.

    Args:
        package: Its name.
    """

    package: str

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _VERSION, "sh", self.package))

    def parse(self, output: Output) -> str | None:
        """Return the version; the first of several."""
        words = output.stdout.split()
        if "none" in words or not words:
            if not words:
                raise FactError(f"nothing was told of the package {self.package}")
            return None
        return words[1] if words[0] == "installed" else None


@dataclass(frozen=True)
class ListsAge(Fact[int | None]):
    """Seconds since all package lists were read without error. None: not known; 0 where dnf or yum sees to it."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _AGE))

    def parse(self, output: Output) -> int | None:
        """Return the seconds."""
        text = output.stdout.strip()
        if text in {"none", "unmanaged"}:
            return None if text == "none" else 0
        if not re.fullmatch(r"-?\d+", text):
            raise FactError(f"the lists' age is {text[:80]!r}")
        return int(text)
