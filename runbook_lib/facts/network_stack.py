"""The software that configures a host's network, and whether a change awaits confirmation."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output

__all__ = ["ConfiguredElsewhere", "NetworkStack", "PendingChange"]

_DETECT = (
    "command -v ifup >/dev/null 2>&1 || [ -x /sbin/ifup ] && [ -e /etc/network/interfaces ] && echo ifupdown; "
    '[ -n "$(ls /etc/netplan/*.yaml 2>/dev/null)" ] && echo netplan; '
    "systemctl is-active --quiet NetworkManager && echo networkmanager; "
    "systemctl is-active --quiet systemd-networkd && echo systemd-networkd; "
    "[ -e /sbin/brctl ] || [ -e /usr/sbin/brctl ] && echo bridge-utils; true"
)


@dataclass(frozen=True)
class NetworkStack(Fact[tuple[str, ...]]):
    """Which of these are present: ifupdown, netplan, networkmanager, systemd-networkd, bridge-utils."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _DETECT))

    def parse(self, output: Output) -> tuple[str, ...]:
        """Return the names."""
        return tuple(output.stdout.split())


@dataclass(frozen=True)
class PendingChange(Fact[bool]):
    """Whether a network change on the host is pending, neither confirmed nor reverted.

    Args:
        marker: The file that marks a pending change.
    """

    marker: str

    def request(self) -> Command:
        """Return the command."""
        return Command(("test", "-e", self.marker), sudo=True, accept=(0, 1))

    def parse(self, output: Output) -> bool:
        """Return whether the marker exists."""
        return output.exit_code == 0


@dataclass(frozen=True)
class ConfiguredElsewhere(Fact[tuple[str, ...]]):
    """Interfaces with a stanza in `/etc/network/interfaces.d`, as cloud images have them."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", "cat /etc/network/interfaces.d/* 2>/dev/null || true"))

    def parse(self, output: Output) -> tuple[str, ...]:
        """Return the interfaces' names."""
        lines = (line.split() for line in output.stdout.splitlines())
        return tuple(sorted({words[1] for words in lines if words[:1] == ["iface"] and len(words) > 1}))
