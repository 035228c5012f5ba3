"""The running kernel (book S9: `uname -a`)."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact
from runbook_lib.model import Command, Output

__all__ = ["Kernel", "KernelInfo"]

_WORDS = 3


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
        words = output.stdout.split()
        if len(words) != _WORDS:
            raise FactError(f"uname printed {output.stdout!r}")
        return KernelInfo(*words)
