"""The base of all operations: a desired state, which plans commands from facts and checks facts."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from runbook_lib.model.plans import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.model.plans import Change, Check

__all__ = ["Operation", "Probe"]


@dataclasses.dataclass(frozen=True)
class Operation(ABC):
    """A desired state. Subclasses are frozen dataclasses; their fields are the arguments."""

    for_excluded_hosts: ClassVar[bool] = False
    """Whether hosts get the step although an earlier step has excluded them: a failed host is the one to look at."""

    @abstractmethod
    def facts(self) -> Sequence[Fact[Any]]:
        """Return the facts that `plan` and `verify` use."""

    def further_facts(self, facts: Facts) -> Sequence[Fact[Any]] | None:  # noqa: ARG002 - none by default
        """Return facts that are needed as well, known only now that some facts have been read.

        Called again with all facts read so far, until everything that it returns has been read. None: it is not known
        yet; called again soon, unless the run was interrupted or the deadline has passed.

        Args:
            facts: What has been read so far.

        Raises:
            OperationError: As `plan`.
        """
        return ()

    @abstractmethod
    def plan(self, facts: Facts) -> Plan:
        """Return the commands from these facts to the desired state. Pure.

        Raises:
            PlanRefused: Applying the operation would do harm.
        """

    @abstractmethod
    def verify(self, facts: Facts) -> list[Check]:
        """Return the checks that all hold exactly if the host is in the desired state. Pure; never empty."""

    def observed_changes(self, before: Facts, after: Facts) -> Sequence[Change]:  # noqa: ARG002 - as below
        """Return the changes that only show once the plan was carried out; default: none, the plan knows its changes.

        Args:
            before: The facts that the plan was made from.
            after: The facts that were verified.
        """
        return ()

    @property
    def secret_references(self) -> tuple[str, ...]:
        """The secret references whose values the operation holds: the run masks these values from then on."""
        return ()

    def concealing(self, is_secret: Callable[[str], bool]) -> Operation:  # noqa: ARG002 - as below
        """Return the operation with whatever holds a secret recorded by hash only; default: itself.

        Args:
            is_secret: Whether a text holds a value that the run masks.
        """
        return self

    @property
    def repeatable(self) -> bool:
        """Whether a resumed run may plan it again although it was done already; default: if it is `verifiable`."""
        return self.verifiable

    @property
    def verifiable(self) -> bool:
        """Whether `verify` alone proves the state; if not, the operation is not repeatable."""
        return True

    @property
    def command_kind(self) -> Literal["change", "shell"]:
        """The kind under which a plan's commands are recorded."""
        return "change"

    @property
    def settle(self) -> float:
        """Seconds that the checks may take to hold after a change: a service starts, an address appears."""
        return 0.0

    @property
    def poll_interval(self) -> float:
        """Seconds between two reads of facts that have yet to settle."""
        return 0.5

    def describe(self) -> str:
        """Return the operation with its arguments, as recorded."""
        arguments = ", ".join(
            f"{item.name}={getattr(self, item.name)!r}" for item in dataclasses.fields(self) if item.repr
        )
        return f"{type(self).__module__.rsplit('.', 1)[-1]}.{type(self).__name__}({arguments})"


@dataclasses.dataclass(frozen=True)
class Probe(Operation):
    """A read-only operation: it plans no commands in any mode."""

    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - a probe never plans anything
        """Return an empty plan."""
        return Plan()
