"""Processors, memory and disk space."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["DiskSpace", "Memory", "Processors"]

_NUMBER = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True)
class Processors(Fact[int]):
    """Number of available processors."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("nproc",))

    def parse(self, output: Output) -> int:
        """Return the number."""
        return _whole_number(output.stdout, "nproc")


@dataclass(frozen=True)
class Memory(Fact[int]):
    """Main memory, in MiB."""

    def request(self) -> Command:
        """Return the command."""
        return Command(("cat", "/proc/meminfo"))

    def parse(self, output: Output) -> int:
        """Return the total."""
        for line in lines_of(output.stdout):
            if line.startswith("MemTotal:"):
                return (
                    _whole_number(line.removeprefix("MemTotal:").removesuffix("kB"), "/proc/meminfo") // 1024
                )
        raise FactError("/proc/meminfo has no MemTotal")


@dataclass(frozen=True)
class DiskSpace(Fact[int]):
    """Free space below a path, in MiB.

    Args:
        path: Absolute path.
    """

    path: str = "/"

    def request(self) -> Command:
        """Return the command."""
        return Command(("df", "--output=avail", "--block-size=1M", "--", self.path))

    def parse(self, output: Output) -> int:
        """Return the space."""
        return _whole_number(lines_of(output.stdout)[-1] if output.stdout else "", "df")


def _whole_number(text: str, source: str) -> int:
    if not _NUMBER.fullmatch(text.strip()):
        raise FactError(f"{source}: expected a number, got {excerpt(text, 80)!r}")
    return int(text)
