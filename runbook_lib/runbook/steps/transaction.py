"""Steps that belong together: on a host where a later one fails, the changes of the earlier ones are rolled back.

This module decides what is rolled back where; `runbook/run_transactions.py` makes a step of it, and
`runbook/steps/host_rollback.py` does it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runbook_lib.errors import PlanRefused
from runbook_lib.model.kinds import CHANGING
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runbook_lib.model.commands import Command
    from runbook_lib.model.plans import Plan
    from runbook_lib.model.records import HostRecord, StepRecord
    from runbook_lib.operations.base import Operation
    from runbook_lib.runbook.steps.run_status import RunStatus

__all__ = ["Transaction", "TransactionBlock", "TransactionStep"]


@dataclass(frozen=True)
class TransactionStep:
    """A step of a transaction that has changed a host, or may have.

    Args:
        number: The step's number.
        title: Its title.
        operation: What it did.
        plan: The plan that it carried out.
        complete: Whether it succeeded. If it failed, it has rolled back its own change already, if its plan says how.
        done_in: The run that this one resumes and that has done the step, if there was nothing left to do for it.
    """

    number: int
    title: str
    operation: Operation
    plan: Plan
    complete: bool
    done_in: str = ""

    @property
    def label(self) -> str:
        """The step in messages."""
        return f"step {self.number} {self.title!r}"

    @property
    def rollback(self) -> tuple[Command, ...]:
        """The commands that are still to be sent for it; without those that follow at the end."""
        return self.plan.rollback if self.complete else ()

    @property
    def why_not(self) -> str:
        """Why its change is left in place; empty if it can be rolled back, or was by the step itself."""
        if self.done_in:
            return f"done in {self.done_in}: this run has not read what was there before"
        own_means = not self.complete and (self.plan.guard or self.plan.reboot)
        return "" if own_means else no_rollback(self.plan)


def no_rollback(plan: Plan) -> str:
    """Return why a change cannot be rolled back by a later step; empty if it can."""
    if plan.guard:
        return (
            "a change under commit-confirm is rolled back by the host itself, and only until it is confirmed"
        )
    if plan.reboot:
        return "a reboot cannot be rolled back"
    if plan.commands and not (plan.rollback or plan.after_rollback):
        return "its plan has no rollback"
    return ""


@dataclass
class Transaction:
    """A transaction that is being carried out.

    Args:
        name: What it is for, in a word or two.
        hosts: Names of its hosts.
        all_or_nothing: Roll back all hosts once one has failed.
        strict: Refuse a step that cannot be rolled back, before it sends anything.
    """

    name: str
    hosts: tuple[str, ...]
    all_or_nothing: bool
    strict: bool
    active: list[str] = field(init=False)
    """The hosts on which nothing has been rolled back."""
    failed_step: StepRecord | None = field(default=None, init=False)
    """The first step that failed, if the run ends because of it once the hosts that are left are finished."""
    closed: bool = field(default=False, init=False)
    """Whether the journal has its end."""

    def __post_init__(self) -> None:
        self.active = list(self.hosts)
        self._steps: dict[str, list[TransactionStep]] = {name: [] for name in self.hosts}

    def check_plan(self, host: str, plan: Plan) -> None:
        """Refuse a plan that would change a host and could not be rolled back.

        Raises:
            PlanRefused: The host is not one of the transaction's, or the plan has no rollback. Nothing was sent.
        """
        if not plan.commands and not plan.reboot:
            return
        if host not in self.hosts:
            raise PlanRefused(
                f"the step would change {host}, which is not one of the hosts of the transaction {self.name!r} "
                f"({', '.join(self.hosts)})",
                where=host,
                hint="add the host to the transaction, or move the step out of it",
            )
        why = no_rollback(plan)
        if why and self.strict:
            raise PlanRefused(
                f"the step could not be rolled back in the transaction {self.name!r}: {why}",
                where=host,
                hint="move the step out of the transaction, or open the transaction with strict=False: "
                "then the change is left in place, and the record says so",
            )

    def describe_rollback(self, plan: Plan, render: Callable[[Command], str]) -> str:
        """Return, for mode `plan`, how a planned change would be rolled back."""
        why = no_rollback(plan)
        if why:
            return f"would not be rolled back by the transaction {self.name!r}: {why}"
        commands = "; ".join(f"`{render(command)}`" for command in (*plan.rollback, *plan.after_rollback))
        return f"would be rolled back by the transaction {self.name!r} with {commands}"

    def add(self, step: TransactionStep, record: HostRecord) -> None:
        """Note what a step did on a host, if it has changed the host, or may have, in this run or before it."""
        if step.done_in or any(command.number and command.kind in CHANGING for command in record.commands):
            self._steps[record.host].append(step)

    def steps_on(self, host: str) -> list[TransactionStep]:
        """Return the steps that have changed a host, or may have, in their order."""
        return self._steps[host]

    def affected(self, step: StepRecord, run_status: RunStatus) -> list[str]:
        """Return the hosts to roll back because of a step: those that get no further steps, or all of them."""
        out = [name for name in self.active if run_status.why_excluded(name)]
        foreign = any(
            host.host not in self.hosts and run_status.why_excluded(host.host) and _failed(host)
            for host in step.hosts
        )
        return list(self.active) if foreign or (out and self.all_or_nothing) else out

    def deactivate(self, hosts: Sequence[str]) -> None:
        """Note that hosts were rolled back."""
        self.active = [name for name in self.active if name not in hosts]


@dataclass(frozen=True)
class TransactionBlock:
    """The `with` block of a transaction.

    Args:
        begin: Called at the block's start.
        end: Called at its end, with what was raised in it; None if nothing was.
    """

    begin: Callable[[], None]
    end: Callable[[BaseException | None], None]

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, kind: object, problem: BaseException | None, traceback: object) -> None:
        self.end(problem)


def _failed(host: HostRecord) -> bool:
    return not host.status.is_success and host.status is not Status.SKIPPED
