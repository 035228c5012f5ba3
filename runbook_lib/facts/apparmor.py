"""AppArmor, which confines containers if the kernel enforces it."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["AppArmorReady"]

_READY = r"""PATH=$PATH:/usr/sbin:/sbin
if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" != Y ]; then echo off
elif command -v apparmor_parser >/dev/null; then echo ready
else echo 'no parser'
fi
"""


@dataclass(frozen=True)
class AppArmorReady(Fact[bool]):
    """Whether AppArmor is off, or its profiles can be loaded: Docker starts no container without its profile."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _READY))

    def parse(self, output: Output) -> bool:
        """Return False if the kernel enforces profiles and the program that loads them is missing."""
        state = output.stdout.strip()
        if state not in {"off", "ready", "no parser"}:
            raise FactError(f"AppArmor: unexpected state {excerpt(state, 80)!r}")
        return state != "no parser"
