"""A bridge in `/etc/network/interfaces` (interfaces(5), bridge-utils-interfaces(5))."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.file import FileText
from runbook_lib.facts.interface_manager import IFUPDOWN
from runbook_lib.facts.network_stack import ConfiguredElsewhere, NetworkStack
from runbook_lib.operations.commit_confirm import GuardedChange, GuardedFile
from runbook_lib.operations.configuration_text import refuse_unmovable
from runbook_lib.operations.network_stacks.bridge_backend import BridgeBackend
from runbook_lib.operations.network_stacks.ifupdown_file import InterfacesFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.operations.network_stacks.bridge_backend import Wanted

__all__ = ["INTERFACES_FILE", "IfupdownBridge"]

INTERFACES_FILE = "/etc/network/interfaces"
"""Where ifupdown keeps its configuration."""


# A restart of the service that has begun has read the new file: it would make the bridge again after the revert.
_RESTARTED = """\
tries=30
while [ "$tries" -gt 0 ] && systemctl list-jobs --no-legend networking.service | grep -q networking; do
  tries=$((tries - 1)); sleep 1
done"""


class IfupdownBridge(BridgeBackend):
    """A bridge that ifupdown brings up."""

    name = IFUPDOWN
    boot_unit = "networking.service"

    @classmethod
    def needed_facts(cls, wanted: Wanted, facts: Facts) -> Sequence[Fact[Any]]:  # noqa: ARG003 - always the same
        """Return the file, what it includes, and whether bridge-utils is installed."""
        return (NetworkStack(), ConfiguredElsewhere(), FileText(INTERFACES_FILE))

    @property
    def title(self) -> str:
        """The file."""
        return INTERFACES_FILE

    def missing(self) -> list[str]:
        """Return the lines that the file lacks."""
        return self._file.missing()

    def conflicts(self) -> list[str]:
        """Return the lines that make another network at boot, and what included files configure."""
        own = {self.wanted.port, self.wanted.name}
        elsewhere = [
            f"{name} in an included file" for name in self._elsewhere if name.partition(":")[0] in own
        ]
        return [*self._file.conflicts(), *elsewhere]

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses that the bridge will have."""
        return self._file.addresses()

    @property
    def mtu(self) -> int | None:
        """Not read from the file: `ifup` fails if the MTU cannot be set, and the change is reverted."""
        return None

    def refuse(self) -> None:
        """Refuse a file with lines that are not understood, and a port that is configured in an included file."""
        if "bridge-utils" not in self.facts[NetworkStack()]:
            raise PlanRefused(
                "bridge-utils is not installed", hint="apt-get install bridge-utils on the host"
            )
        name, port = self.wanted.name, self.wanted.port
        if self._file.ipv6():
            raise PlanRefused(
                f"{port} has an IPv6 configuration in {INTERFACES_FILE}, which would be lost",
                hint=f"move that stanza to {name} by hand, then run this again",
            )
        refuse_unmovable(self._file.obstacles(), f"{INTERFACES_FILE} has lines about {port}", name)
        if self._elsewhere:
            standard = all("/etc/network/interfaces.d" in line for line in self._file.includes)
            place = (
                "/etc/network/interfaces.d"
                if standard
                else f"a file that {INTERFACES_FILE} includes ({'; '.join(self._file.includes)})"
            )
            raise PlanRefused(
                f"{self._elsewhere[0]} is configured in {place}, which this operation does not change",
                hint=f"move that stanza into {INTERFACES_FILE}, then run this again",
            )

    def change(self, timeout: float) -> GuardedChange:
        """Return the new file; the interfaces are taken down under the old file, and brought up under the new one."""
        name, port = self.wanted.name, self.wanted.port
        before = self.facts[FileText(INTERFACES_FILE)]
        # A bond, or the interface of a VLAN, is gone once it is down.
        flush = f"[ ! -e /sys/class/net/{port} ] || ip address flush dev {port}"
        return GuardedChange(
            files=(GuardedFile(INTERFACES_FILE, before, self._file.changed(self.mac)),),
            stop_old=f"ifdown --force {name} 2>/dev/null || true\nifdown --force {port}",
            start_new=f"{flush}\nifup {port}\nifup {name}",
            stop_new=f"{_RESTARTED}\nifdown --force {name} || true\n"
            f"ip link delete {name} type bridge 2>/dev/null || true\nifdown --force {port} || true",
            start_old=f"{flush}\nifup --force {port}\n"
            f"! grep -q '^auto {name}' {INTERFACES_FILE} || ifup --force {name}",
            # With `allow-hotplug`, udev asks ifupdown about the port when it appears, which may be before the file is
            # restored: let it ask again.
            at_boot=f"udevadm trigger --action=add --subsystem-match=net --sysname-match={port}",
            timeout=timeout,
        )

    @property
    def _elsewhere(self) -> list[str]:
        """What included files configure of the port and the bridge."""
        own = re.compile(rf"({re.escape(self.wanted.port)}|{re.escape(self.wanted.name)})([.:].*)?")
        return [other for other in self.facts[ConfiguredElsewhere()] if own.fullmatch(other)]

    @functools.cached_property
    def _file(self) -> InterfacesFile:
        text = self.facts[FileText(INTERFACES_FILE)] or ""
        wanted = self.wanted
        return InterfacesFile(
            text, wanted.name, wanted.port, wanted.address, wanted.gateway, wanted.nameservers
        )
