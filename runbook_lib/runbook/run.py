"""One run of a runbook on its hosts: directory, journal, connections, locks and status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook_lib.display import cards, ipython_shell
from runbook_lib.display.shown_outputs import shown_outputs
from runbook_lib.errors import InputError, ParameterError
from runbook_lib.evidence import events
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.masking import excerpt
from runbook_lib.model.batches import Batch
from runbook_lib.model.kinds import ADDED_BY_RUN
from runbook_lib.model.plans import Plan
from runbook_lib.model.status import BAD, Mode, Status, worst
from runbook_lib.runbook.late_secrets import LateSecrets
from runbook_lib.runbook.notebook import made_by_hand, run_directory
from runbook_lib.runbook.provenance import new_run_record
from runbook_lib.runbook.rollout import Rollout
from runbook_lib.runbook.run_errors import (
    end_not_recorded,
    evidence_not_complete,
    interrupted_between_steps,
    interrupted_in_step,
    run_failed,
    step_failed,
)
from runbook_lib.runbook.run_hosts import RunHosts
from runbook_lib.runbook.run_transactions import RunTransactions
from runbook_lib.runbook.step_runner import StepRunner, failed, not_attempted
from runbook_lib.runbook.steps.deadline import Deadline, earliest
from runbook_lib.runbook.steps.host_operations import operations_for
from runbook_lib.runbook.steps.recorder import now
from runbook_lib.runbook.steps.run_status import RunStatus
from runbook_lib.runbook.steps.transaction import TransactionStep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runbook_lib.host_settings import Host
    from runbook_lib.model.batches import Size
    from runbook_lib.model.kinds import StepKind
    from runbook_lib.model.records import HostRecord, RunRecord, StepRecord
    from runbook_lib.operations.base import Operation
    from runbook_lib.runbook.run_context import RunContext
    from runbook_lib.runbook.steps.resume import EarlierRun
    from runbook_lib.runbook.steps.transaction import Transaction

__all__ = ["Run"]

_NOTHING_DONE = frozenset({Status.OK, Status.SKIPPED})
_MOST_ERROR = 500  # characters of a cell's error in the journal


class Run:
    """A run from its first journal line to its last one. Its record is `record`, complete once it has ended.

    Args:
        context: What it has in common with other runs of the session.
        directory: Its new directory; the name is the run's id.
        earlier: The run that it resumes, if any.

    Raises:
        EvidenceError: The directory cannot be written. No host was contacted.
    """

    def __init__(self, context: RunContext, directory: Path, earlier: EarlierRun | None = None) -> None:
        parameters, hosts = context.parameters, context.hosts
        self.context = context
        self.directory = directory
        self.transaction: Transaction | None = None
        self._rollouts: list[Rollout] = []
        self.journal = Journal(directory / JOURNAL, context.secrets.mask_data)
        self.deadline = Deadline.from_now("run_timeout", parameters.run_timeout)
        self._run_status = RunStatus(
            [host.name for host in hosts], parameters.run_mode, stop=parameters.on_failure == "stop"
        )
        self.record = new_run_record(parameters, context.inventory, hosts, directory, earlier)
        self._earlier = earlier
        self._first_cell = len(ipython_shell.cell_log()) - 1
        if not context.parent.known and self.record.notebook_file.get("path"):
            shown_outputs().keep()
        self._cell_errors: list[dict[str, Any]] = []
        self._evidence_problem = ""
        self.hosts = RunHosts(context, self.journal, directory, self.record)
        self._steps = StepRunner(context, self.journal, self.record, self.hosts, self._run_status)
        self._transactions = RunTransactions(context, self.journal, self.hosts, self._steps, self._add)
        self.late_secrets = LateSecrets(context, self.journal, directory, self.record.steps)
        run_directory.write_parameters(directory, parameters, context.secrets.mask_data)

    @property
    def ended(self) -> bool:
        """Whether the run has ended: it gets no further steps."""
        return self.record.ended is not None

    @property
    def status(self) -> Status:
        """The status so far: the worst of all steps."""
        return self._run_status.status

    def start(self, previous: RunRecord | None = None) -> None:
        """Write the journal's first line; from here on the journal says how the run ended.

        Args:
            previous: The run of the same session that has ended, if a step after its end starts this one.
        """
        events.run_started(self.journal, self.record)
        self.late_secrets.check()
        cards.show_run_start(self.record, self.directory, previous)

    def step(
        self,
        title: str,
        kind: StepKind,
        operation: Operation | Callable[[Host], Operation],
        hosts: str | Batch | None,
        serial: Size | None = None,
    ) -> StepRecord:
        """Carry out one step on its hosts in parallel, record it, and show its card.

        Args:
            title: What the step is for.
            kind: What the step is recorded as.
            operation: The desired state, or a function from a host to its desired state.
            hosts: Restricts the step to some of the run's hosts.
            serial: How many hosts are changed at the same time; default: all of them.

        Raises:
            StepFailed: The step failed and the run ends with it.
            Interrupted: The run was interrupted during the step.
            InputError: The pattern matches no host of the run, the title or the operation is not one, or the step
                differs from that of the resumed run.
            EvidenceError: The evidence cannot be written, or the end of the run could not; no further command was sent.
        """
        if self.hosts.closed:
            raise end_not_recorded(self.record, self.directory)
        _check_title(title)
        transaction = self.transaction
        if hosts is None and transaction:
            hosts = Batch(1, 1, transaction.hosts)
        groups = self.hosts.groups(self.hosts.select(hosts), serial)
        chosen = [host for group in groups for host in group]
        title = self.context.secrets.mask(title)
        position = 1 + sum(step.kind not in ADDED_BY_RUN for step in self.record.steps)
        self._check_resumed_step(position, title)
        operations = operations_for(chosen, operation, self.context.secrets, title, lambda: self.ended)
        self.late_secrets.check()
        own = Deadline.from_now("step_timeout", self.context.parameters.step_timeout)
        deadline = earliest((self.deadline, own))

        def on_host(number: int, host: Host) -> HostRecord:
            operation = operations[host.name]
            reason = self._run_status.why_excluded(host.name)
            if isinstance(operation, str):  # why there is none
                return not_attempted(host, reason) if reason is not None else failed(host, operation)
            if reason is not None and not operation.for_excluded_hosts:
                return not_attempted(host, reason, operation.describe())
            host_step = self.hosts.step(
                host.name,
                operation,
                step=number,
                predicting=self._run_status.predicting,
                deadline=deadline,
                history=self._earlier.history(position, host.name) if self._earlier else None,
                transaction=transaction,
            )
            record = host_step.run()
            if transaction and host.name in transaction.hosts:
                plan, done = host_step.plan or Plan(), record.status is Status.CHANGED
                before = host_step.history.changed_in if record.status in _NOTHING_DONE else ""
                transaction.add(TransactionStep(number, title, operation, plan, done, before), record)
            return record

        step = self.late_secrets.without_values(self._steps.carry_out(title, kind, groups, on_host))
        timed_out = bool(self.deadline and self.deadline.passed and step.status in BAD)
        ends = self._add(step)
        stopped = self.context.cancel.is_set() or timed_out
        if transaction and self.context.parameters.run_mode is Mode.APPLY:
            hosts_out = list(transaction.active) if stopped else transaction.affected(step, self._run_status)
            cause = self._transactions.cause(step)
            ends |= self._transactions.roll_back(transaction, hosts_out, *cause, failed=step)
            if ends and not stopped and transaction.active:
                transaction.failed_step = transaction.failed_step or step
                return step
        if ends or stopped:
            self._stop_at(step)
        return step

    def begin_transaction(self, transaction: Transaction) -> None:
        """Begin a transaction: the steps up to its end belong to it."""
        self.transaction = transaction
        self._transactions.begin(transaction)

    def end_transaction(self, problem: BaseException | None) -> None:
        """End the transaction: keep its changes, or roll them back after an error between its steps.

        Args:
            problem: What was raised in the notebook's block; None if its end was reached.

        Raises:
            StepFailed: A step had failed on some hosts, and the run ends now that the others are finished.
        """
        transaction, self.transaction = self.transaction, None
        if transaction is None or self.ended:
            return
        ends = False
        if problem is not None:
            error = excerpt(f"{type(problem).__name__}: {problem}", _MOST_ERROR)
            status, cause = Status.FAILED, f"the notebook raised {error}"
            if isinstance(problem, KeyboardInterrupt):
                status, cause = interrupted_between_steps(self.deadline)
            ends = self._transactions.roll_back(
                transaction, list(transaction.active), cause, status, record_all=True
            )
        self._transactions.close(transaction)
        if ends:
            self.finish(status, f"transaction {transaction.name!r}: {cause}")
        elif transaction.failed_step:
            self._stop_at(transaction.failed_step)

    def begin_rollout(self, batches: list[Batch], max_failed: int) -> Rollout:
        """Begin a loop over batches of hosts: hosts of batches that it does not reach are recorded at the run's end."""
        self._rollouts.append(Rollout(batches, max_failed, self.record.steps))
        return self._rollouts[-1]

    def finish(self, status: Status, message: str = "") -> None:
        """Release the hosts' locks, close the connections, and write the journal's end-of-run line.

        Args:
            status: The status of the whole run.
            message: The reason, if no step gives it.
        """
        status = worst([status, self.status]) if self._run_status.refusals else status
        message = self._with_refusals(self.context.secrets.mask(message))
        if self.transaction and not self.transaction.closed:
            left = list(self.transaction.active) if self.context.parameters.run_mode is Mode.APPLY else []
            cause = message or "the run ended inside the transaction"
            self._transactions.roll_back(self.transaction, left, cause, Status.FAILED)
            self._transactions.close(self.transaction)
        untouched = {name for rollout in self._rollouts for name in rollout.untouched()}
        self._rollouts.clear()
        self._steps.record_untouched(untouched, status, message)
        ended = self.record.model_copy(update={"status": status, "ended": now(), "message": message})
        self.hosts.close()
        by_hand, notebook = self.context.by_hand, self.record.notebook_file.get("path", "")
        self.late_secrets.check_all(notebook if by_hand else "")
        if by_hand:
            secrets = self.context.secrets
            copied = made_by_hand.copy_notebook(self.directory, notebook, self._first_cell, secrets)
            events.notebook_copied(self.journal, {**copied, "errors": self._cell_errors})
            shown_outputs().forget()
        events.run_ended(self.journal, ended)
        self.record = ended  # not before: an end that is not in the journal is tried again
        self.journal.close()
        links: list[cards.EvidenceLink] = []
        if by_hand:
            links, self._evidence_problem = made_by_hand.complete_evidence(
                self.directory, notebook, made_by_hand.name_copy(copied)
            )
        cards.show_run_end(self.record, links, self._evidence_problem)

    def note_cell_error(self, problem: BaseException) -> None:
        """Keep, for the journal, that a cell raised between two steps: by hand that does not end the run."""
        if not self.ended:
            text = excerpt(self.context.secrets.mask(f"{type(problem).__name__}: {problem}"), _MOST_ERROR)
            self._cell_errors.append({"count": ipython_shell.execution_count(), "error": text})

    def note_refusal(self, refusal: str) -> None:
        """Count a step that was refused before its record began as failed.

        Args:
            refusal: What was refused and why, without secret values.
        """
        self._run_status.refusals.append(refusal)

    def stop_if_refused(self) -> None:
        """End the run before its next step if an earlier one was refused, as after a failed step.

        Raises:
            StepFailed: One was, and `on_failure` is `stop`.
        """
        if self._run_status.stops_at_refusal and not self.ended:
            self.finish(Status.FAILED)
            raise run_failed(self.record, self.directory)

    def raise_if_bad(self) -> None:
        """Raise if the run has ended without success, or if its evidence could not be completed.

        Raises:
            StepFailed: With the first line of each failure.
            EvidenceError: The run succeeded, but was not sealed, or its reports could not be written.
        """
        if self.record.status in BAD:
            raise run_failed(self.record, self.directory)
        if self._evidence_problem:
            raise evidence_not_complete(self.record, self._evidence_problem, self.directory)

    def _with_refusals(self, message: str) -> str:
        """Return the reason of the run's end with those of refused steps, each once."""
        missing = [
            refusal
            for refusal in self._run_status.refusals
            if refusal.partition(" was refused: ")[2] not in message
        ]
        return "; ".join(dict.fromkeys([*filter(None, [message]), *missing]))

    def _add(self, step: StepRecord) -> bool:
        """Add a finished step to the run's status; return whether it ends the run."""
        tolerated = any(rollout.tolerates(step) for rollout in self._rollouts[-1:])
        return self._run_status.add(step, tolerated=tolerated)

    def _check_resumed_step(self, position: int, title: str) -> None:
        if self._earlier is None:
            return
        try:
            self._earlier.check_step(position, title, self.context.secrets.mask)
        except InputError:
            self.finish(Status.FAILED)
            raise

    def _stop_at(self, step: StepRecord) -> None:
        """End the run at a failed or interrupted step."""
        if self.context.cancel.is_set():
            self.finish(Status.INTERRUPTED)
            raise interrupted_in_step(step, self.record.run)
        self.finish(self._run_status.status)
        raise step_failed(step, self.record.run, self.directory)


def _check_title(title: object) -> None:
    """Refuse an empty title: reports, and the steps of a resumed run, are found by it."""
    if not isinstance(title, str) or not title.strip():
        raise ParameterError(f"{title!r} is not a title of a step", hint="say in a few words what it is for")
