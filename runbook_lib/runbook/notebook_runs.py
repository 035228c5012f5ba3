"""What stands behind the `Runbook` of a notebook: its current run, Ctrl-C, and errors of cells."""

from __future__ import annotations

import contextlib
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from runbook_lib.connections.host_inputs import check_host_inputs, check_sudo_passwords
from runbook_lib.display import cards
from runbook_lib.display.kernel_masking import mask_outputs
from runbook_lib.display.shown_outputs import shown_outputs
from runbook_lib.errors import EvidenceError, Interrupted, ParameterError, RunbookError, StepFailed
from runbook_lib.evidence.layout import HTML_REPORT
from runbook_lib.inventory import Inventory
from runbook_lib.model.status import Status
from runbook_lib.parameters.one_host import check_single_hosts
from runbook_lib.runbook.host_pool import HostPool
from runbook_lib.runbook.notebook import person, run_directory
from runbook_lib.runbook.notebook.checked_input import CheckedInput
from runbook_lib.runbook.notebook.one_thread import OneThread
from runbook_lib.runbook.notebook.parent_process import ParentProcess
from runbook_lib.runbook.notebook.refused_steps import describe_refusal, report_refusal
from runbook_lib.runbook.run import Run
from runbook_lib.runbook.run_context import RunContext
from runbook_lib.runbook.run_errors import interrupted_between_steps
from runbook_lib.runbook.steps import interrupts, resume
from runbook_lib.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runbook_lib.host_settings import Host
    from runbook_lib.model.batches import Batch, Size
    from runbook_lib.model.kinds import StepKind
    from runbook_lib.model.records import RunRecord, StepRecord
    from runbook_lib.operations.base import Operation
    from runbook_lib.parameters import Parameters
    from runbook_lib.runbook.notebook.guessed_notebook import GuessedNotebook
    from runbook_lib.runbook.rollout import Rollout
    from runbook_lib.runbook.steps.transaction import Transaction

__all__ = ["NotebookRuns"]


class NotebookRuns:
    """The runs that one `Runbook` makes, one after another, on the same hosts with the same parameters.

    Args:
        parameters: The runbook's parameters.
        inventory: The inventory that the hosts come from.
        hosts: The selected hosts.
        path: The directory of the first run.
        earlier: The run that the first one resumes, if any.
        guessed: The notebook from which the runbook has its name, if only its cells suggest that one.
    """

    _latest: ClassVar[weakref.ref[NotebookRuns] | None] = None

    def __init__(  # noqa: PLR0913, PLR0917 - all that the runs have in common
        self,
        parameters: Parameters,
        inventory: Inventory,
        hosts: list[Host],
        path: Path,
        earlier: resume.EarlierRun | None = None,
        guessed: GuessedNotebook | None = None,
    ) -> None:
        self.parameters = parameters
        self._guessed = guessed
        self._refused_after_end = ""
        self.inventory = inventory
        self.hosts = hosts
        self.mode = parameters.run_mode
        self._cancel = threading.Event()
        self.parent = ParentProcess()
        if not self.parent.known:
            shown_outputs()  # before the masks: what is kept has no secrets
        self.secrets = Secrets(mask_outputs)
        self.secrets.resolve_all(parameters)
        self._thread = OneThread()
        self._busy = False
        self._block = contextlib.ExitStack()
        self.in_transaction = ""
        self._context = RunContext(
            parameters,
            inventory,
            hosts,
            self.secrets,
            self._cancel,
            self.parent,
            HostPool(min(len(hosts), parameters.at_once)),
            [Path(parameters.resume)] if parameters.resume else [],
        )
        self.run = Run(self._context, path, earlier)

    @classmethod
    def open(cls, parameters: Parameters, guessed: GuessedNotebook | None = None) -> Self:
        """Check what can be checked before the first host, and start a run; see `Runbook.open`.

        Args:
            parameters: The runbook's parameters, already validated.
            guessed: As for the class.
        """
        checked = CheckedInput.of_kernel()
        if checked:
            checked.refuse_other_parameters(parameters)
        inventory = Inventory.load(parameters.inventory)
        hosts = inventory.select(parameters.hosts)
        if checked:
            checked.refuse_other_hosts(hosts, parameters.runbook)
        Secrets().resolve_all(parameters)
        check_sudo_passwords(hosts, inventory.path, Secrets().resolve)
        where = f"parameters of {parameters.runbook}"
        check_single_hosts(parameters.single_hosts, inventory.select, hosts, where=where)
        check_host_inputs(hosts, inventory.path)
        run_directory.check_parent(parameters.runs, where)
        earlier = (
            resume.load_earlier(Path(parameters.resume), parameters, hosts) if parameters.resume else None
        )
        latest = cls._latest() if cls._latest else None
        if latest is not None:
            latest._abandon()  # noqa: SLF001 - another instance of this class
        runs = cls(parameters, inventory, hosts, run_directory.make(parameters), earlier, guessed)
        with runs.interruptible():
            runs._start_run()
        if runs.parent.known:
            cards.on_cell_error(runs._cell_failed)
        elif cls._latest is None:  # once per kernel
            cards.on_cell_error(cls._note_cell_error)
        if cards.in_notebook():
            cls._latest = weakref.ref(runs)
        return runs

    def _abandon(self) -> None:
        """End a run that its notebook never closed, because another one is being opened there."""
        if not (self.run.ended or self._thread.forked):
            self._end(Status.INTERRUPTED, "the notebook opened another run before it closed this one")

    @classmethod
    def _note_cell_error(cls, problem: BaseException) -> None:
        """Record that a cell raised, in the latest run of this kernel, without keeping that run in memory."""
        latest = cls._latest() if cls._latest else None
        if latest is not None and not isinstance(problem, RunbookError):
            latest.run.note_cell_error(problem)

    def _start_run(self, previous: RunRecord | None = None) -> None:
        """Start the current run; under our engine, interrupt it at its deadline. For `previous` see `Run.start`."""
        run = self.run
        run.start(previous)
        if self.parent.known and run.deadline:
            interrupts.interrupt_at_deadline(run.deadline, busy=lambda: self._busy, done=lambda: run.ended)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Turn Ctrl-C into `self._cancel` while the block runs: commands on hosts stop, records are still written.

        Raises:
            KeyboardInterrupt: Ctrl-C came too late for the block to act on it.
        """
        self._busy = True
        try:
            with interrupts.on_interrupt(self._cancel.set):
                yield
        finally:
            late = self._cancel.is_set() and not self.run.ended
            self._cancel.clear()
            self._busy = False
        if late:
            raise KeyboardInterrupt

    def step(
        self,
        title: str,
        kind: StepKind,
        operation: Operation | Callable[[Host], Operation],
        hosts: str | Batch | None,
        serial: Size | None = None,
    ) -> StepRecord:
        """Carry out one step in the current run, or in a new one if a person continues; see `Run.step`.

        Raises:
            ParameterError: Another thread is in a step, or this process was forked from the one that opened the run;
                also as `Run.step`, likewise the other errors.
        """
        with self._working(f"step {title!r}"):
            return self.run.step(title, kind, operation, hosts, serial)

    def begin_rollout(self, batches: list[Batch], max_failed: int) -> Rollout:
        """Begin a loop over batches of hosts; see `Run.begin_rollout`."""
        with self._working("batches"):
            return self.run.begin_rollout(batches, max_failed)

    def begin_transaction(self, transaction: Transaction) -> None:
        """Begin a transaction: the steps up to its end belong to it, and no other thread may add any."""
        what = f"transaction {transaction.name!r}"
        with self.counting_refusals(what), contextlib.ExitStack() as block:
            block.enter_context(self._thread.doing(what))
            with self._working(what):
                self.run.begin_transaction(transaction)
            self._block = block.pop_all()
        self.in_transaction = transaction.name

    def end_transaction(self, problem: BaseException | None) -> None:
        """End the transaction; see `Run.end_transaction`.

        Args:
            problem: What was raised in the notebook's block; None if its end was reached.
        """
        try:
            if not isinstance(
                problem, EvidenceError
            ):  # nothing more can be recorded, so nothing more is sent
                with self.interruptible():
                    self.run.end_transaction(problem)
        finally:
            self.in_transaction = ""
            self._block.close()

    def close(self) -> None:
        """End the run, and raise if it failed; see `Runbook.close`."""
        if not self.run.ended:
            with contextlib.ExitStack() as stack:
                with self.counting_refusals("close"):
                    stack.enter_context(self._thread.doing("close"))
                    if self.in_transaction:
                        raise ParameterError(
                            f"the transaction {self.in_transaction!r} is not finished: its changes are rolled back",
                            hint="close the run after the `with` block of the transaction",
                        )
                other = self._guessed.contradiction() if self._guessed else ""
                with self.interruptible():
                    self.run.finish(Status.FAILED if other else self.run.status, other)
        self.run.raise_if_bad()
        if self._refused_after_end:
            raise StepFailed(self._refused_after_end, where=self.run.record.run)

    @contextlib.contextmanager
    def counting_refusals(self, what: str) -> Iterator[None]:
        """Have what the block raises before a step's record begins count as a failure, also if the notebook catches it.

        A person at a notebook corrects the cell and runs it again: there it is only listed in the journal.

        Args:
            what: The step, for messages.
        """
        try:
            yield
        except (StepFailed, Interrupted):
            raise  # the record says so
        except Exception as problem:
            self._count_refusal(what, problem)
            raise

    def _count_refusal(self, what: str, problem: Exception) -> None:
        refusal = self.secrets.mask(describe_refusal(what, problem))
        if self._thread.forked or self.run.ended:
            report_refusal(refusal)
        elif not person.is_watching(self.parent):
            self.run.note_refusal(refusal)
        else:
            self.run.note_cell_error(problem)

    def interrupt(self) -> None:
        """Stop the step that another thread carries out, as Ctrl-C stops it; nothing happens between two steps."""
        if self._busy:
            self._cancel.set()

    def secret(self, reference: str) -> str:
        """Return the value of a secret reference, and say where the current run has recorded it already."""
        value = self.secrets.resolve(reference)
        if not self.run.ended and not self._thread.forked:
            # In a step, of which this is a part, Ctrl-C is the step's.
            with contextlib.nullcontext() if self._busy else self.interruptible():
                self.run.late_secrets.check()
        return value

    @contextlib.contextmanager
    def _working(self, what: str) -> Iterator[None]:
        """Let the block work on hosts in the current run: in no other thread's step, and interruptible by Ctrl-C."""
        with self._thread.doing(what), self.interruptible():
            self._start_again_if_ended(what)
            self.run.stop_if_refused()
            if other := self._guessed and self._guessed.contradiction():
                self.run.finish(Status.FAILED, other)
                self.run.raise_if_bad()
            yield

    def _start_again_if_ended(self, what: str) -> None:
        """Start another run if the current one has ended and a person continues.

        Args:
            what: The step that is to be in it, for messages.

        Raises:
            StepFailed: The run has ended in a transaction; or the notebook is executed without a person, who could
                have seen why the run ended. Nothing was sent to hosts.
        """
        if not self.run.ended:
            return
        previous = self.run.record
        if self.in_transaction:
            raise StepFailed(
                f"the run has ended inside the transaction {self.in_transaction!r}: it gets no further steps",
                where=previous.run,
                hint=f"the report is {self.run.directory / HTML_REPORT}",
            )
        if not person.is_watching(self.parent):
            problem = StepFailed(
                f"the run has ended as {previous.status}, so {what} was not begun",
                where=previous.run,
                hint="close the run after its last step, and let an error of a step end the notebook; "
                "`Runbook.open` starts another run",
            )
            refusal = self.secrets.mask(f"{what} was refused: the run had ended as {previous.status}")
            self._refused_after_end = self._refused_after_end or refusal
            report_refusal(refusal)
            raise problem
        self._context.ended_runs.append(self.run.directory)
        self.run = Run(self._context, run_directory.make(self.parameters))
        self._start_run(previous)

    def _cell_failed(self, problem: BaseException) -> None:
        """End the run after a cell raised outside of any step: under our engine no further cell is executed."""
        if self._thread.forked or self.run.ended or isinstance(problem, SystemExit | EvidenceError):
            return
        ending = Status.FAILED, f"a cell raised {type(problem).__name__}: {problem}"
        if isinstance(problem, KeyboardInterrupt):
            ending = interrupted_between_steps(self.run.deadline)
        self._end(*ending)

    def _end(self, status: Status, message: str) -> None:
        """End the run, interruptible by Ctrl-C, as soon as no other thread is in a step of it."""
        waiting = self._thread.after_others(lambda: interrupts.on_interrupt(self._cancel.set))
        with waiting, self.interruptible():
            if not self.run.ended:
                self.run.finish(status, message)
