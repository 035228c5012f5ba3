"""A trial boot that was begun and neither confirmed nor taken back, whichever run began it."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output

__all__ = ["MARK", "KernelTrial", "KernelTrialInfo"]

MARK = "/var/lib/runbook/kernel-trial"
"""File on the host, from before the arming of a trial to after its confirmation: the kernel, then failed units."""


@dataclass(frozen=True)
class KernelTrialInfo:
    """What a trial was begun with.

    Args:
        release: The kernel to be tried, as `uname -r` prints it.
        failed: Names of the units that failed before.
    """

    release: str
    failed: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The file's text."""
        return "".join(f"{line}\n" for line in (self.release, *self.failed))


@dataclass(frozen=True)
class KernelTrial(Fact[KernelTrialInfo | None]):
    """The trial under way; None where there is none."""

    def request(self) -> Command:
        """Return the command; no such file is an answer."""
        return Command(("cat", MARK), accept=(0, 1))

    def parse(self, output: Output) -> KernelTrialInfo | None:
        """Return it."""
        if output.exit_code == 1:
            return None
        release, *failed = output.stdout.splitlines() or [""]
        if not release:
            raise FactError(f"{MARK} names no kernel")
        return KernelTrialInfo(release, tuple(failed))
