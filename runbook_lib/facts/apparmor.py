"""AppArmor, which confines containers where the kernel has it in force."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact
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
    """Whether profiles can be loaded, or need not be: the engine starts no container without its profile."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _READY))

    def parse(self, output: Output) -> bool:
        """Return False where the kernel wants profiles and the program that loads them is missing."""
        word = output.stdout.strip()
        if word not in {"off", "ready", "no parser"}:
            raise FactError(f"AppArmor's state is {word[:80]!r}")
        return word != "no parser"
