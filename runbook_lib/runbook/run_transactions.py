"""The transactions of one run: begun and closed in its journal, and rolled back in steps of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.evidence import events
from runbook_lib.model.status import BAD, Status
from runbook_lib.operations.observe import Observe
from runbook_lib.runbook.steps.host_rollback import roll_back_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.evidence.journal import Journal
    from runbook_lib.host_settings import Host
    from runbook_lib.model.records import HostRecord, StepRecord
    from runbook_lib.runbook.run_context import RunContext
    from runbook_lib.runbook.run_hosts import RunHosts
    from runbook_lib.runbook.step_runner import StepRunner
    from runbook_lib.runbook.steps.transaction import Transaction

__all__ = ["RunTransactions"]


class RunTransactions:
    """Begins the transactions of one run, rolls them back, and closes them.

    Args:
        context: What the run has in common with other runs of the session.
        journal: The run's.
        hosts: Its hosts.
        steps: Carries out its steps.
        add: Adds a step to the run's status, and returns whether it ends the run.
    """

    def __init__(
        self,
        context: RunContext,
        journal: Journal,
        hosts: RunHosts,
        steps: StepRunner,
        add: Callable[[StepRecord], bool],
    ) -> None:
        self._context = context
        self._journal = journal
        self._hosts = hosts
        self._steps = steps
        self._add = add

    def begin(self, transaction: Transaction) -> None:
        """Write the transaction's beginning into the journal."""
        events.transaction_started(
            self._journal,
            transaction.name,
            transaction.hosts,
            all_or_nothing=transaction.all_or_nothing,
            strict=transaction.strict,
        )

    def _cause_on(self, name: str, step: StepRecord) -> str:
        """Return how a step failed on a host; empty if it did not, or was interrupted."""
        status = next((host.status for host in step.hosts if host.host == name and host.status in BAD), None)
        if status is None or self._context.cancel.is_set():
            return ""
        return f"step {step.number} {step.title!r} is {status} on {name}"

    def cause(self, step: StepRecord) -> tuple[str, Status]:
        """Return why a transaction is rolled back after a step, and the status that this gives its hosts."""
        if self._context.cancel.is_set():
            return f"the run was interrupted in step {step.number} {step.title!r}", Status.INTERRUPTED
        first = next((host for host in step.hosts if host.status in BAD), None)
        how = f"{first.status} on {first.host}" if first else step.status
        return f"step {step.number} {step.title!r} is {how}", Status.FAILED

    def roll_back(  # noqa: PLR0913 - all that a rollback depends on
        self,
        transaction: Transaction,
        names: list[str],
        cause: str,
        status: Status,
        *,
        record_all: bool = False,
        failed: StepRecord | None = None,
    ) -> bool:
        """Roll back a transaction on some of its hosts, in a step of its own; return whether this ends the run.

        Args:
            transaction: The transaction.
            names: The hosts.
            cause: Why.
            status: The status that the cause gives the hosts.
            record_all: Also record the hosts on which nothing was changed: nothing else says that they failed.
            failed: The step that is the cause: the record of a host on which it failed names that host.
        """
        transaction.deactivate(names)
        hosts = [
            host
            for host in self._context.hosts
            if host.name in names and (record_all or transaction.steps_on(host.name))
        ]
        if not hosts:
            return False

        def on_host(number: int, host: Host) -> HostRecord:
            steps = transaction.steps_on(host.name)
            session = self._hosts.session(host.name, Observe(()), number)
            own = self._cause_on(host.name, failed) if failed else ""
            return roll_back_host(session, steps, transaction.name, own or cause, status)

        title = self._context.secrets.mask(f"Roll back: {transaction.name}")
        return self._add(self._steps.carry_out(title, "rollback", [hosts], on_host))

    def close(self, transaction: Transaction) -> None:
        """Write the transaction's end into the journal."""
        transaction.closed = True
        out = [name for name in transaction.hosts if name not in transaction.active]
        events.transaction_ended(
            self._journal, transaction.name, completed=transaction.active, rolled_back=out
        )
