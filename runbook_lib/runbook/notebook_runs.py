"""What stands behind the `Runbook` of a notebook: its current run, Ctrl-C, and errors of cells."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from runbook_lib.connections.host_inputs import check_host_inputs
from runbook_lib.display import cards
from runbook_lib.display.kernel_masking import mask_outputs
from runbook_lib.display.shown_outputs import shown_outputs
from runbook_lib.errors import EvidenceError, ParameterError, RunbookError, StepFailed
from runbook_lib.inventory import Inventory
from runbook_lib.model.status import Status
from runbook_lib.parameters.one_host import check_single_hosts
from runbook_lib.runbook import interrupts, resume, run_directory
from runbook_lib.runbook.host_pool import HostPool
from runbook_lib.runbook.parent_process import ParentProcess
from runbook_lib.runbook.run import Run
from runbook_lib.runbook.run_context import RunContext
from runbook_lib.runbook.run_errors import interrupted_between_steps
from runbook_lib.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runbook_lib.host_settings import Host
    from runbook_lib.model.batches import Batch, Size
    from runbook_lib.model.kinds import StepKind
    from runbook_lib.model.records import RunRecord, StepRecord
    from runbook_lib.operations.base import Operation
    from runbook_lib.parameters import Parameters
    from runbook_lib.runbook.rollout import Rollout
    from runbook_lib.runbook.transaction import Transaction

__all__ = ["NotebookRuns"]


class NotebookRuns:
    """The runs that one `Runbook` makes, one after another, on the same hosts with the same parameters.

    Args:
        parameters: The runbook's parameters.
        inventory: The inventory that the hosts come from.
        hosts: The selected hosts.
        path: The directory of the first run.
        earlier: The run that the first one resumes, if any.
    """

    _latest: ClassVar[weakref.ref[NotebookRuns] | None] = None

    def __init__(
        self,
        parameters: Parameters,
        inventory: Inventory,
        hosts: list[Host],
        path: Path,
        earlier: resume.EarlierRun | None = None,
    ) -> None:
        self.parameters = parameters
        self.inventory = inventory
        self.hosts = hosts
        self.mode = parameters.run_mode
        self._cancel = threading.Event()
        self.parent = ParentProcess()
        if not self.parent.known:
            shown_outputs()  # before the masks: what is kept has no secrets
        self.secrets = Secrets(mask_outputs)
        self.secrets.resolve_all(parameters)
        self._process = os.getpid()
        self._busy = False
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
    def open(cls, parameters: Parameters) -> Self:
        """Check what can be checked before the first host, and start a run; see `Runbook.open`.

        Args:
            parameters: The runbook's parameters, already validated.
        """
        inventory = Inventory.load(parameters.inventory)
        hosts = inventory.select(parameters.hosts)
        Secrets().resolve_all(parameters)
        for host in hosts:
            if host.sudo_password:
                Secrets().resolve(host.sudo_password)
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
        runs = cls(parameters, inventory, hosts, run_directory.make(parameters), earlier)
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
        if not self.run.ended:
            with self.interruptible():
                self.run.finish(
                    Status.INTERRUPTED, "the notebook opened another run before it closed this one"
                )

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
        """Carry out one step in the current run, or in a new one if that has ended; see `Run.step`.

        Raises:
            EvidenceError: This process was forked from the one that opened the run; also as `Run.step`, likewise the
                other errors.
        """
        if os.getpid() != self._process:
            # The threads that reach hosts exist only there: the step would never end.
            raise EvidenceError(
                "a forked process must not run steps of the runbook that its parent process opened",
                where=title,
                hint="run steps in the process that opened the run; nothing was sent to hosts",
            )
        with self.interruptible():
            self._start_again_if_ended()
            return self.run.step(title, kind, operation, hosts, serial)

    def begin_rollout(self, batches: list[Batch], max_failed: int) -> Rollout:
        """Begin a loop over batches of hosts; see `Run.begin_rollout`."""
        with self.interruptible():
            self._start_again_if_ended()
        return self.run.begin_rollout(batches, max_failed)

    def begin_transaction(self, transaction: Transaction) -> None:
        """Begin a transaction: the steps up to its end belong to it."""
        with self.interruptible():
            self._start_again_if_ended()
            self.run.begin_transaction(transaction)
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

    def close(self) -> None:
        """End the run, and raise if it failed; see `Runbook.close`."""
        if self.in_transaction and not self.run.ended:
            raise ParameterError(
                f"the transaction {self.in_transaction!r} is not finished: its changes are rolled back",
                hint="close the run after the block of the transaction",
            )
        if not self.run.ended:
            with self.interruptible():
                self.run.finish(self.run.status)
        self.run.raise_if_bad()

    def interrupt(self) -> None:
        """Stop the step that another thread carries out, as Ctrl-C stops it; nothing happens between two steps."""
        if self._busy:
            self._cancel.set()

    def secret(self, reference: str) -> str:
        """Return the value of a secret reference, and say where the current run has recorded it already."""
        value = self.secrets.resolve(reference)
        if not self.run.ended and os.getpid() == self._process:
            # In a step, of which this is a part, Ctrl-C is the step's.
            with contextlib.nullcontext() if self._busy else self.interruptible():
                self.run.late_secrets.check()
        return value

    def _start_again_if_ended(self) -> None:
        """Start another run if the current one has ended."""
        if self.run.ended and self.in_transaction:
            raise StepFailed(
                f"the run has ended inside the transaction {self.in_transaction!r}: it gets no further steps",
                where=self.run.record.run,
                hint="see the red cards for the reasons",
            )
        if self.run.ended:
            previous = self.run.record
            self._context.ended_runs.append(self.run.directory)
            self.run = Run(self._context, run_directory.make(self.parameters))
            self._start_run(previous)

    def _cell_failed(self, problem: BaseException) -> None:
        """End the run after a cell raised outside of any step: under our engine no further cell is executed."""
        if self.run.ended or isinstance(problem, SystemExit | EvidenceError):
            return
        with self.interruptible():
            if isinstance(problem, KeyboardInterrupt):
                self.run.finish(*interrupted_between_steps(self.run.deadline))
            else:
                self.run.finish(Status.FAILED, f"a cell raised {type(problem).__name__}: {problem}")
