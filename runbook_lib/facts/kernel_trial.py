"""A trial boot that some run started and neither confirmed nor abandoned."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["MARK", "KernelTrial", "KernelTrialInfo"]

MARK = "/var/lib/runbook/kernel-trial"
"""File on the host from arming a trial until its confirmation: the kernel's release, then the failed units."""


@dataclass(frozen=True)
class KernelTrialInfo:
    """The state in which a trial was started.

    Args:
        release: The kernel on trial, as `uname -r` prints it.
        failed: Names of the units that had failed before.
    """

    release: str
    failed: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The file's text."""
        return "".join(f"{line}\n" for line in (self.release, *self.failed))


@dataclass(frozen=True)
class KernelTrial(Fact[KernelTrialInfo | None]):
    """The pending trial; None if there is none."""

    def request(self) -> Command:
        """Return the command, for root: others may not enter the directory. It exits with 1 without the file."""
        return Command(("cat", MARK), sudo=True, accept=(0, 1))

    def parse(self, output: Output) -> KernelTrialInfo | None:
        """Return the trial."""
        if output.exit_code == 1 and "No such file" in output.stderr:
            return None
        if output.exit_code != 0:
            raise FactError(f"{MARK} cannot be read: {excerpt(output.stderr.strip(), 200)}")
        release, *failed = lines_of(output.stdout) or [""]
        if not release:
            raise FactError(f"{MARK} is empty: expected the kernel's release")
        if not re.fullmatch(r"[0-9]\S*", release) or not all(re.fullmatch(r"\S+", unit) for unit in failed):
            raise FactError(f"{MARK}: unexpected content {excerpt(output.stdout, 80)!r}")
        return KernelTrialInfo(release, tuple(failed))
