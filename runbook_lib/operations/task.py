"""Tasks for a learner: a state that a person brings about, and that is only checked here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Operation, Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["SOLVED", "Task", "solved"]

SOLVED = "task.solved"
"""Id of the check that holds once a task is solved on a host."""


@dataclass(frozen=True)
class Task(Probe):
    """A person has brought the host to a state; how is up to the person. Only facts are read, in any mode.

    Args:
        state: The state, as an operation: its checks decide, and its plan is not used.

    Raises:
        ParameterError: It is not an operation, or nothing shows whether it is done.
    """

    for_excluded_hosts = True
    state: Operation

    def __post_init__(self) -> None:
        """Refuse what cannot be checked."""
        if not isinstance(self.state, Operation):
            raise ParameterError(
                f"check={self.state!r} is not an operation",
                where="task",
                hint='as in check=service.running("docker.service"), or a function from a host to an operation',
            )
        if not self.state.verifiable:
            raise ParameterError(
                f"{self.state.describe()} has no checks: nothing shows whether the task is solved",
                where="task",
            )

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the facts of the state."""
        return self.state.facts()

    def further_facts(self, facts: Facts) -> Sequence[Fact[Any]] | None:
        """Return the further facts of the state."""
        return self.state.further_facts(facts)

    def verify(self, facts: Facts) -> list[Check]:
        """Return the checks of the state, and last whether all of them hold."""
        checks = self.state.verify(facts)
        return [*checks, solved(holds=bool(checks) and all(check.holds for check in checks))]

    @property
    def secret_references(self) -> tuple[str, ...]:
        """The secret references of the state."""
        return self.state.secret_references

    def concealing(self, is_secret: Callable[[str], bool]) -> Operation:
        """Return the task with whatever holds a secret recorded by hash only."""
        return Task(self.state.concealing(is_secret))

    def describe(self) -> str:
        """Return the state, as recorded."""
        return f"task({self.state.describe()})"


def solved(*, holds: bool) -> Check:
    """Return the check by which programs know whether a task is solved on a host."""
    return Check("the task is solved", "yes", "yes" if holds else "no", holds, SOLVED)
