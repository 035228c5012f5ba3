"""Commands with a check of their own: what they make, or a test that passes afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError
from runbook_lib.facts.answer import Answer
from runbook_lib.facts.file import FileState
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Run", "run"]


@dataclass(frozen=True)
class Run(Operation):
    """A command has done what it is for. It runs only if it has not, and then its check must pass.

    Args:
        command: For the host's `sh`, which stops at the first error.
        creates: Absolute path of what the command makes: it runs only if nothing is there.
        unless: A read-only command: if it exits with 0, everything is done already.
        undo: Command that undoes a failed change.
        sudo: Run all three as root.
        timeout: Seconds that the command may take.

    Raises:
        ParameterError: There is neither `creates` nor `unless`, so that nothing could be checked.
    """

    command: str
    creates: str = ""
    unless: str = ""
    undo: str = ""
    sudo: bool = False
    timeout: float = 600.0

    def __post_init__(self) -> None:
        """Refuse a command that nothing can be known of."""
        if not self.creates and not self.unless:
            raise ParameterError(
                f"command.run({excerpt(self.command, 80)!r}): nothing shows whether the command still has to run",
                hint='give creates="/path" or unless="a test"; a script without a check belongs in %%on',
            )

    def facts(self) -> Sequence[Fact[Any]]:
        """Return what shows whether it is done."""
        wanted: list[Fact[Any]] = []
        if self.creates:
            wanted.append(self._made)
        if self.unless:
            wanted.append(self._test)
        return wanted

    def plan(self, facts: Facts) -> Plan:
        """Run the command unless it is done."""
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        return Plan(
            commands=(self._shell(self.command, "the command"),),
            rollback=(self._shell(self.undo, "undo the command"),) if self.undo else (),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check what the command makes, and the test."""
        checks = []
        if self.creates:
            kind = facts[self._made].kind
            checks.append(
                Check(
                    self.creates,
                    "exists",
                    f"exists ({kind})" if kind else "absent",
                    bool(kind),
                    "command.creates",
                )
            )
        if self.unless:
            answered = facts[self._test]
            observed = f"{answered.exit_code}" + (f": {excerpt(answered.text, 200)}" if answered.text else "")
            checks.append(
                Check(f"exit code of `{self.unless}`", "0", observed, answered.exit_code == 0, "command.test")
            )
        return checks

    def _shell(self, script: str, purpose: str) -> Command:
        return Command(("sh", "-e", "-c", script), sudo=self.sudo, timeout=self.timeout, purpose=purpose)

    @property
    def _made(self) -> FileState:
        return FileState(self.creates, sudo=self.sudo)

    @property
    def _test(self) -> Answer:
        return Answer(("sh", "-c", self.unless), sudo=self.sudo)


run = Run
