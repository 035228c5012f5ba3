"""The distribution's packages: installed versions, unfinished installations, age of the lists, lock holders."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["LISTS_READ", "Holder", "ListsAge", "LockHolder", "PackageVersion", "UnfinishedPackages"]

# fcntl(2) locks of dpkg, apt and rpm; yum writes a PID file. Ignores the package managers of containers. lslocks(8)
# knows no path of a lock on an overlay file system, and older kernels show no locks in fdinfo: so both are asked.
_LOCKS = r"""{ lslocks --noheadings --raw --notruncate --output PID,COMMAND,PATH 2>/dev/null
  find /proc/[0-9]*/fd -lname '/var/*lock*' -o -lname '/usr/lib/sysimage/rpm/*lock*' 2>/dev/null |
    while IFS=/ read -r _ _ pid _ number; do
      grep -q '^lock:' "/proc/$pid/fdinfo/$number" 2>/dev/null || continue
      echo "$pid $(cat "/proc/$pid/comm") $(readlink "/proc/$pid/fd/$number")"
    done
} | grep -E ' (/var/lib/(dpkg|apt|rpm|dnf)/|/usr/lib/sysimage/rpm/|/var/cache/(apt|dnf)/).*lock' | sort -u |
  while read -r pid program path; do
    if [ "/proc/$pid/root$path" -ef "$path" ]; then echo "$pid $program $path"; fi
  done
if [ -e /var/run/yum.pid ]; then
  pid=$(cat /var/run/yum.pid); [ ! -d "/proc/$pid" ] || echo "$pid $(cat "/proc/$pid/comm") /var/run/yum.pid"
fi
echo end
"""
_VERSION = r"""if command -v dpkg-query >/dev/null; then
  dpkg-query --show --showformat='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null || {
    code=$?; [ "$code" -eq 1 ] || { echo "dpkg-query: exit code $code" >&2; exit "$code"; }; echo none
  }
else
  found=$(LC_ALL=C rpm -q --queryformat 'installed %{VERSION}-%{RELEASE}\n' "$1" 2>&1) || {
    code=$?; [ "$found" = "package $1 is not installed" ] || { printf '%s\n' "$found" >&2; exit "$code"; }
    found=none
  }
  printf '%s\n' "$found"
fi
"""
# `dpkg --audit` also lists what `dpkg --configure -a` cannot repair and need not: a package without checksums, or of an
# architecture that is no longer configured.
_UNFINISHED = r"""if command -v dpkg-query >/dev/null; then
  found=$(dpkg-query --show --showformat='${Package} ${Status}\n') || exit
  printf '%s\n' "$found" |
    grep -E ' (reinstreq [a-z-]+|half-installed|unpacked|half-configured|triggers-awaited|triggers-pending)$' || true
fi
"""
# Of dpkg; of rpm only the first.
_STATUSES = frozenset(
    {
        "installed", "not-installed", "config-files", "half-installed", "unpacked", "half-configured",
        "triggers-awaited", "triggers-pending",
    }
)  # fmt: skip
LISTS_READ = "/var/lib/runbook/lists-read"
"""File touched once our command has read all of apt's lists. apt's own hook for a success, which touches the stamp of
Ubuntu, is run as soon as one list of several was read."""

# The lists' own modification times do not help: a failed update changes them too.
_AGE = rf"""if ! command -v apt-get >/dev/null; then echo unmanaged
elif [ -e {LISTS_READ} ]; then echo $(( $(date +%s) - $(stat -c %Y {LISTS_READ}) ))
else echo none
fi
"""


@dataclass(frozen=True)
class UnfinishedPackages(Fact[bool]):
    """Whether an installation was interrupted (dpkg only; otherwise False)."""

    def request(self) -> Command:
        """Return the command; it prints nothing if all packages are complete. After a power cut it needs root."""
        return Command(("sh", "-c", _UNFINISHED), sudo=True)

    def parse(self, output: Output) -> bool:
        """Return whether anything was printed."""
        return bool(output.stdout.strip())


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock of the package manager."""

    process: int
    program: str
    path: str


@dataclass(frozen=True)
class LockHolder(Fact[tuple[Holder, ...]]):
    """Processes that hold a lock of the package manager (/proc, lslocks(8), yum's PID file)."""

    def request(self) -> Command:
        """Return the command; only root sees every path."""
        return Command(("sh", "-c", _LOCKS), sudo=True)

    def parse(self, output: Output) -> tuple[Holder, ...]:
        """Return the holders; empty if an installation can start."""
        *lines, end = lines_of(output.stdout) or [""]
        if end != "end":
            raise FactError("the list of locks is incomplete")
        with parsing("the locks of the package manager"):
            found = []
            for process, program, path in (line.split(None, 2) for line in lines):
                found.append(Holder(int(process), program, path))
            return tuple(found)


@dataclass(frozen=True)
class PackageVersion(Fact[str | None]):
    """A package's installed version, from dpkg or rpm; None if it is not installed.

    Args:
        package: Its name.
    """

    package: str

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _VERSION, "sh", self.package))

    def parse(self, output: Output) -> str | None:
        """Return the version; the first of several."""
        lines = [line.split(" ") for line in lines_of(output.stdout) if line.strip()]
        if not lines:
            raise FactError(f"package {self.package}: the package manager printed nothing")
        if lines[-1] == ["none"]:
            return None
        status, *version = lines[0]
        if status not in _STATUSES or len(version) != 1 or (status == "installed" and not version[0]):
            raise FactError(f"package {self.package}: unexpected output {excerpt(output.stdout, 80)!r}")
        return version[0] if status == "installed" else None


@dataclass(frozen=True)
class ListsAge(Fact[int | None]):
    """Seconds since all package lists were read without error; None: not known. Always 0 for dnf and yum."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _AGE))

    def parse(self, output: Output) -> int | None:
        """Return the seconds."""
        text = output.stdout.strip()
        if text in {"none", "unmanaged"}:
            return None if text == "none" else 0
        if not re.fullmatch(r"-?[0-9]{1,12}", text):
            raise FactError(f"age of the package lists: unexpected output {excerpt(text, 80)!r}")
        return int(text)
