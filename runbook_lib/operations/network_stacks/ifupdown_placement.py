"""Where an option of a physical interface belongs once the interface is a port of a bridge: on the port or the bridge.

What is not understood has no place; `ifupdown_file` then refuses and names it.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.operations.configuration_text import names_interface

if TYPE_CHECKING:
    from runbook_lib.operations.network_stacks.ifupdown_stanzas import Line

__all__ = ["HOOKS", "Place", "Placement"]

# The hardware's own settings; `inet manual` takes mtu and hwaddress (interfaces(5)).
_ON_PORT = re.compile(
    r"hwaddress|driver-message-level|(ethernet|link|offload|hardware|bond|vlan|gro|gso|tso|rx|tx)(-.*)?"
)
_ON_BRIDGE = re.compile(r"broadcast|network|metric|scope|gateway|dns-.*")
HOOKS = frozenset({"pre-up", "up", "post-up", "down", "pre-down", "post-down"})
"""Options with a command that ifupdown runs."""
_SIMPLE = re.compile(r"[\w ./:+=,@%-]*")  # one command without anything that a shell interprets
_ALLOWED_TO_FAIL = re.compile(r" \|\| (true|/bin/true|:)$")


class Place(enum.Enum):
    """Where an option of the port belongs."""

    PORT = "port"
    BRIDGE = "bridge"
    BOTH = "both"
    REPLACED = "replaced"


@dataclass(frozen=True)
class Placement:
    """Finds the place of each option of a port's stanzas.

    Args:
        port: The physical interface's name.
        gateway: Whether the default gateway is replaced.
        nameservers: Whether `dns-nameservers` is replaced.
    """

    port: str
    gateway: bool
    nameservers: bool

    def of(self, line: Line) -> Place | None:
        """Return where an option of the port's main stanza belongs; None if that is not understood."""
        if self.is_replaced(line):
            return Place.REPLACED
        if line.key in HOOKS:
            return self._place_of_hook(line)
        if line.key == "mtu":
            return Place.BOTH
        if _ON_PORT.fullmatch(line.key):
            return Place.PORT
        return Place.BRIDGE if _ON_BRIDGE.fullmatch(line.key) else None

    def _place_of_hook(self, line: Line) -> Place | None:
        command = _ALLOWED_TO_FAIL.sub("", line.value)
        bare = re.sub(r"\$IFACE\b|\$\{IFACE\}", "IFACE", command)
        words = [word for word in bare.split() if not word.startswith("-")]
        if not words or not _SIMPLE.fullmatch(bare):
            return None
        program, action = words[0].rsplit("/", 1)[-1], next(iter(words[1:]), "")
        if program == "route" or (program == "ip" and action in {"route", "rule"}):
            # A route by way of the port has to be rewritten: a port of a bridge has no routes.
            return None if self.mentions_port(command) else Place.BRIDGE
        hardware = program in {"ethtool", "mii-tool"} or (program == "ip" and action == "link")
        return Place.PORT if hardware else None

    def is_replaced(self, line: Line) -> bool:
        """Return whether the operation sets this option itself."""
        return (
            line.key in {"address", "netmask"}
            or (line.key == "gateway" and self.gateway)
            or (line.key == "dns-nameservers" and self.nameservers)
        )

    def moves_along(self, line: Line) -> bool:
        """Return whether an option of a further stanza means the same on the bridge."""
        if line.key in HOOKS:
            return self._place_of_hook(line) == Place.BRIDGE
        if line.key.startswith("bridge-"):
            return False
        return not _ON_PORT.fullmatch(line.key) and not self.mentions_port(line.value)

    def mentions_port(self, text: str) -> bool:
        """Return whether a text names the port."""
        return names_interface(text, self.port)
