"""Files of systemd-networkd other than the one in force: drop-ins that change it, and where a bridge is defined."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.facts.base import Fact, paths_of
from runbook_lib.model.commands import Command, Output

__all__ = ["DropIns", "NetdevFiles"]

_DIRECTORIES = (
    "/etc/systemd/network /run/systemd/network /usr/local/lib/systemd/network /usr/lib/systemd/network"
)
_DROP_INS = rf"""
for directory in {_DIRECTORIES}; do ls -d -- "$directory/$1.d"/*.conf 2>/dev/null; done; true
"""
# A file in /etc replaces the one of the same name in /run, that one the one in /usr/local/lib, and so on.
_NETDEVS = rf"""
for directory in {_DIRECTORIES}; do
  for file in "$directory"/*.netdev; do
    case " $known " in *" ${{file##*/}} "*) continue ;; esac
    known="$known ${{file##*/}}"
    [ -f "$file" ] || continue
    if grep -qE "^[[:space:]]*Name[[:space:]]*=[[:space:]]*$1[[:space:]]*\$" "$file"; then echo "$file"
    elif [ $? -ne 1 ]; then exit 1; fi
  done
done
"""


@dataclass(frozen=True)
class DropIns(Fact[tuple[str, ...]]):
    """The drop-in files of a configuration file: they change what it says.

    Args:
        file: Name of the file without its directory, as `10-em1.network`.
    """

    file: str

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _DROP_INS, "sh", self.file))

    def parse(self, output: Output) -> tuple[str, ...]:
        """Return their paths."""
        return paths_of(output, self.label)


@dataclass(frozen=True)
class NetdevFiles(Fact[tuple[str, ...]]):
    """The files by which systemd-networkd creates a virtual interface (systemd.netdev(5)).

    Args:
        interface: The interface's name.
    """

    interface: str

    def request(self) -> Command:
        """Return the command. Only root and systemd-networkd may read a file that holds a key, as of WireGuard."""
        return Command(("sh", "-c", _NETDEVS, "sh", self.interface), sudo=True)

    def parse(self, output: Output) -> tuple[str, ...]:
        """Return their paths."""
        return paths_of(output, self.label)
