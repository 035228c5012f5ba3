"""The software that configures a host's network, and whether a change awaits confirmation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["CONFIGURING", "ConfiguredElsewhere", "NetworkStack", "PendingChange"]

_DETECT = (
    "command -v ifup >/dev/null 2>&1 || [ -x /sbin/ifup ] && [ -e /etc/network/interfaces ] && echo ifupdown; "
    '[ -n "$(ls /etc/netplan/*.yaml 2>/dev/null)" ] && echo netplan; '
    "systemctl is-active --quiet NetworkManager && echo networkmanager; "
    "systemctl is-active --quiet systemd-networkd && echo systemd-networkd; "
    "[ -e /sbin/brctl ] || [ -e /usr/sbin/brctl ] && echo bridge-utils; true"
)
CONFIGURING = frozenset({"ifupdown", "netplan", "networkmanager", "systemd-networkd"})
"""The software that can configure a bridge; `operations/bridge.py` has a backend for each."""
_KNOWN = CONFIGURING | {"bridge-utils"}
_MAIN = "/etc/network/interfaces"
_INCLUDED = r"""\
walk() ( # file, depth
  [ "$2" -gt 0 ] || { echo "==> not followed: more than 9 levels"; return; }
  [ -e "$1" ] || return 0
  lines=$(sed -e '/^[[:space:]]*#/d' -e :a -e '/\\$/{N;s/\\\n//;ta' -e '}' -- "$1") || exit 1
  lines=$(printf '%s\n' "$lines" | tr -d '\r')
  echo "==> $1"
  printf '%s\n' "$lines" |
    grep -E '^[[:space:]]*(iface|vlan[-_]raw[-_]device|bridge[-_]ports|bond[-_](slaves|primary|master))[[:space:]]'
  printf '%s\n' "$lines" | while read -r keyword pattern more; do
    case $keyword in source|source-dir|source-directory) ;; *) continue ;; esac
    case $pattern$more/${more:+\$} in
      *[\$\`\"\'~{}\(\)\\\&\|\;\<\>\!]*|/) echo "==> $1"; echo "==> not followed: $keyword $pattern $more"; continue ;;
    esac
    case $pattern in /*) ;; *) pattern=${1%/*}/$pattern ;; esac
    for path in $pattern; do
      if [ "$keyword" = source ]; then [ -d "$path" ] || walk "$path" $(($2 - 1)) || exit 1; continue; fi
      for file in "$path"/*; do
        case ${file##*/} in *[!A-Za-z0-9_-]*) continue ;; esac
        [ -d "$file" ] || walk "$file" $(($2 - 1)) || exit 1
      done
    done
  done
)
walk "$1" 9 && echo "==> end"
"""


@dataclass(frozen=True)
class NetworkStack(Fact[tuple[str, ...]]):
    """Which of these are present: ifupdown, netplan, networkmanager, systemd-networkd, bridge-utils."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _DETECT))

    def parse(self, output: Output) -> tuple[str, ...]:
        """Return the names."""
        found = tuple(output.stdout.split())
        if not set(found) <= _KNOWN:
            raise FactError(f"the network's software: unexpected output {excerpt(output.stdout, 80)!r}")
        return found


@dataclass(frozen=True)
class PendingChange(Fact[bool]):
    """Whether a network change on the host is pending, neither confirmed nor completely reverted.

    It is `awaited`: facts that were read before the answer may be those from before a revert that has just ended.

    Args:
        marker: The file that marks a pending change.
        reverting: The marker's name while the host reverts.
    """

    awaited: ClassVar[bool] = True

    marker: str
    reverting: str

    def request(self) -> Command:
        """Return the command, which looks in the order in which the host renames and removes the marker."""
        script = 'test -e "$1" || test -e "$2"'
        return Command(("sh", "-c", script, "sh", self.marker, self.reverting), sudo=True, accept=(0, 1))

    def parse(self, output: Output) -> bool:
        """Return whether one of the two exists."""
        return output.exit_code == 0


@dataclass(frozen=True)
class ConfiguredElsewhere(Fact[tuple[str, ...]]):
    """Interfaces that files included by `/etc/network/interfaces` configure or use, as cloud images have them.

    Includes are followed as ifupdown follows them: `source` and `source-directory`, anywhere, relative, with wildcards,
    and inside included files.
    """

    def request(self) -> Command:
        """Return the command. Only lines that name interfaces are printed: such files also hold Wi-Fi passwords."""
        return Command(("sh", "-c", _INCLUDED, "sh", _MAIN), sudo=True)

    def parse(self, output: Output) -> tuple[str, ...]:
        """Return the interfaces' names.

        Raises:
            FactError: An included file includes others in a way that cannot be followed, or the output is cut off.
        """
        *lines, end = lines_of(output.stdout) or [""]
        if end != "==> end":
            raise FactError("the output with the included interfaces files is incomplete")
        found: set[str] = set()
        file = ""
        for line in lines:
            if line.startswith("==> not followed: "):
                if file != _MAIN:  # the operation that reads the main file reports those
                    raise FactError(
                        f"{file}: `{line.removeprefix('==> not followed: ')}` cannot be followed",
                        hint="write the path without quotes, variables and braces",
                    )
            elif line.startswith("==> "):
                file = line.removeprefix("==> ")
            elif file != _MAIN:
                with parsing("the included interfaces files"):
                    keyword, *names = line.split()
                found.update(names[:1] if keyword == "iface" else names)
        return tuple(sorted(found))
