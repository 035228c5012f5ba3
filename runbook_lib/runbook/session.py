"""What a notebook uses to carry out a runbook: steps on hosts, from `open` to `close`."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from runbook_lib.connections.host_inputs import check_host_inputs
from runbook_lib.display import cards, magics, task_card
from runbook_lib.display.kernel_masking import mask_outputs
from runbook_lib.errors import EvidenceError, ParameterError, RunbookError, StepFailed
from runbook_lib.integrations import testinfra
from runbook_lib.inventory import Inventory
from runbook_lib.model.batches import FIRST, THEN, divide
from runbook_lib.model.status import Mode, Status
from runbook_lib.operations.observe import Observe
from runbook_lib.operations.shell import Look, Script
from runbook_lib.operations.task import Task
from runbook_lib.runbook import batch_loop, interrupts, person, resume, run_directory
from runbook_lib.runbook.host_pool import HostPool
from runbook_lib.runbook.notebook_parameters import collect_parameters
from runbook_lib.runbook.parent_process import ParentProcess
from runbook_lib.runbook.run import Run
from runbook_lib.runbook.run_context import RunContext
from runbook_lib.runbook.transaction import Transaction, TransactionBlock
from runbook_lib.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runbook_lib.facts.base import Fact
    from runbook_lib.host_settings import Host
    from runbook_lib.model.batches import Batch, Size
    from runbook_lib.model.kinds import StepKind
    from runbook_lib.model.records import RunRecord, StepRecord
    from runbook_lib.operations.base import Operation
    from runbook_lib.parameters import Parameters

__all__ = ["Runbook"]


class Runbook:
    """A runbook being carried out: steps on hosts, with evidence on disk before each command is sent.

    Created by `open`, which starts a run. The run ends with `close`, or at the first failed step if the parameter
    `on_failure` is `stop`. A run that has ended stays ended: a step after that starts a new run, and says so.
    """

    _latest: ClassVar[weakref.ref[Runbook] | None] = None

    def __init__(
        self,
        parameters: Parameters,
        inventory: Inventory,
        hosts: list[Host],
        path: Path,
        earlier: resume.EarlierRun | None = None,
    ) -> None:
        self.parameters = parameters
        self.hosts = hosts
        self.mode = parameters.run_mode
        self._cancel = threading.Event()
        self._secrets = Secrets(mask_outputs)
        self._secrets.resolve_all(parameters)
        self._parent = ParentProcess()
        self._process = os.getpid()
        self._busy = False
        self._in_transaction = ""
        self._tries: dict[str, int] = {}
        self._context = RunContext(
            parameters,
            inventory,
            hosts,
            self._secrets,
            self._cancel,
            self._parent,
            HostPool(min(len(hosts), parameters.at_once)),
        )
        self._run = Run(self._context, path, earlier)

    @property
    def record(self) -> RunRecord:
        """The record of the current run so far; of the last run if that has ended."""
        return self._run.record

    @property
    def directory(self) -> Path:
        """The directory with the evidence of the current run; of the last run if that has ended."""
        return self._run.directory

    @classmethod
    def open(cls, parameters: Parameters | None = None, *, name: str = "") -> Self:
        """Start a run.

        Args:
            parameters: The runbook's parameters, already validated; None: those that the parameters cell of this
                notebook declares.
            name: The runbook's name, where the notebook's file is not known, as under plain papermill; otherwise
                the name of the file counts.

        Raises:
            InputError: A parameter, the inventory, a host or a secret is wrong. No host was contacted, nothing was
                written.
            EvidenceError: The run directory cannot be written. No host was contacted.
        """
        parameters = parameters if parameters is not None else collect_parameters(name)
        inventory = Inventory.load(parameters.inventory)
        hosts = inventory.select(parameters.hosts)
        Secrets().resolve_all(parameters)
        for host in hosts:
            if host.sudo_password:
                Secrets().resolve(host.sudo_password)
        check_host_inputs(hosts, inventory.path)
        earlier = (
            resume.load_earlier(Path(parameters.resume), parameters, hosts) if parameters.resume else None
        )
        latest = cls._latest() if cls._latest else None
        if latest is not None:
            latest._abandon()  # noqa: SLF001 - another instance of this class
        book = cls(parameters, inventory, hosts, run_directory.make(parameters), earlier)
        with book._interruptible():
            book._start_run()
        magics.register(book.shell, book.look, book.host_patterns)
        if book._parent.known:
            cards.on_cell_error(book._cell_failed)
        elif cls._latest is None:  # once per kernel
            cards.on_cell_error(cls._note_cell_error)
        if cards.in_notebook():
            cls._latest = weakref.ref(book)
        return book

    def host_patterns(self) -> list[str]:
        """Return what the steps' hosts can be named by: hosts of the run, and groups with such a host."""
        names = [host.name for host in self.hosts]
        groups = self._context.inventory.groups
        return [*names, *(group for group, members in groups.items() if set(members) & set(names)), "all"]

    def _abandon(self) -> None:
        """End a run that its notebook never closed, because another one is being opened there."""
        if not self._run.ended:
            with self._interruptible():
                self._run.finish(
                    Status.INTERRUPTED, "the notebook opened another run before it closed this one"
                )

    @classmethod
    def _note_cell_error(cls, problem: BaseException) -> None:
        """Record that a cell raised, in the latest run of this kernel, without keeping that run in memory."""
        latest = cls._latest() if cls._latest else None
        if latest is not None and not isinstance(problem, RunbookError):
            latest._run.note_cell_error(problem)  # noqa: SLF001 - an instance of this class

    def _start_run(self, previous: RunRecord | None = None) -> None:
        """Start the current run; under our engine, interrupt it at its deadline. For `previous` see `Run.start`."""
        run = self._run
        run.start(previous)
        if self._parent.known and run.deadline:
            interrupts.interrupt_at_deadline(run.deadline, busy=lambda: self._busy, done=lambda: run.ended)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Turn Ctrl-C into `self._cancel` while the block runs: commands on hosts stop, records are still written.

        Raises:
            KeyboardInterrupt: Ctrl-C came too late for the block to act on it.
        """
        self._busy = True
        try:
            with interrupts.on_interrupt(self._cancel.set):
                yield
        finally:
            late = self._cancel.is_set() and not self._run.ended
            self._cancel.clear()
            self._busy = False
        if late:
            raise KeyboardInterrupt

    def secret(self, reference: str) -> str:
        """Return the value of a secret reference; from now on this run's evidence and output mask the value.

        Pass the value to a command as `stdin`, never as an argument: every process on a host can read those.

        Args:
            reference: `${env:NAME}`, `${file:PATH}` or `${keyring:SERVICE/NAME}`; or `${shown:NAME}`, which stands in
                this run's records for a secret that a host has shown.

        Raises:
            SecretError: The reference has no value, or the value is too short to be masked.
        """
        return self._secrets.resolve(reference)

    def step(
        self,
        title: str,
        operation: Operation | Callable[[Host], Operation],
        *,
        hosts: str | Batch | None = None,
        serial: Size | None = None,
    ) -> StepRecord:
        """Carry out an operation on the run's hosts in parallel, and show the step's card.

        Args:
            title: What the step is for, in a few words.
            operation: The desired state, or a function from a host to its desired state.
            hosts: Pattern, or batch of `batches`, that restricts the step to some of the run's hosts.
            serial: In mode `apply`: how many hosts are worked on at the same time, as a number or a percentage of
                the step's hosts, such as `1` or `"25%"`. Once a host fails, the hosts that have not begun are
                `skipped`, in this step and in later ones. Default: all hosts.

        Raises:
            StepFailed: The step failed on a host and the run stops there.
            ParameterError: `hosts` does not match any host of the run, or `serial` is not a size.
            EvidenceError: The evidence cannot be written; no further command was sent.
        """
        return self._step(title, "operation", operation, hosts, serial)

    def check(
        self,
        title: str,
        predicate: Callable[[Any], object],
        *,
        hosts: str | Batch | None = None,
        expected: object = True,
        timeout: float = testinfra.TIMEOUT,
    ) -> StepRecord:
        """Check hosts with testinfra's modules, in parallel and in every mode; needs the extra `testinfra`.

        Args:
            title: What is checked, in a few words.
            predicate: Gets testinfra's host, as in `lambda host: host.service("nginx").is_running`.
            hosts: Pattern, or batch of `batches`, that restricts the check to some of the run's hosts.
            expected: What the predicate returns if the check holds.
            timeout: Seconds that the predicate may take, with the commands that it sends.

        Raises:
            StepFailed: As in `step`; also if the predicate raises, hangs, or returns something else than a bool.
            ParameterError: As in `step`, or the predicate cannot be called.
            RequirementError: testinfra is not installed.
        """
        operation = testinfra.check(title, predicate, expected=expected, timeout=timeout)
        return self._step(title, "operation", operation, hosts)

    def facts(self, title: str, *facts: Fact[Any], hosts: str | Batch | None = None) -> StepRecord:
        """Read facts from hosts and show them; nothing is changed in any mode.

        Args:
            title: What the facts are about, in a few words.
            facts: The facts to read.
            hosts: Pattern, or batch of `batches`, that restricts the step to some of the run's hosts.

        Raises:
            StepFailed: As in `step`.
        """
        return self._step(title, "facts", Observe(facts), hosts)

    def task(
        self,
        title: str,
        check: Operation | Callable[[Host], Operation],
        *,
        hints: Sequence[str] = (),
        solution: str = "",
        hosts: str | Batch | None = None,
    ) -> StepRecord:
        """Set a person a task, and check whether it is solved; nothing is changed in any mode.

        It counts however it was done: in a cell, or by hand in a shell, since the checks look at the hosts. Each time
        that it is not solved yet, one hint more is shown, and after the last hint the solution. It is recorded as a
        step: `ok` once it is solved; until then `skipped`, in mode `validate` `failed`.

        Args:
            title: What to do, in a few words.
            check: The state that solves the task, as an operation or a function from a host to one: only its checks
                are used.
            hints: Each one goes a step further than the one before.
            solution: The whole answer, with its reason.
            hosts: Pattern, or batch of `batches`, that restricts the task to some of the run's hosts.

        Raises:
            StepFailed: In mode `validate`: as in `step`.
            ParameterError: `check` has no checks, `hints` is not a list of texts, or as in `step`.
        """
        if isinstance(hints, str) or not all(isinstance(hint, str) for hint in hints):
            raise ParameterError(f"hints={hints!r} is not a list of texts", where=f"task {title!r}")
        state = (lambda host: Task(check(host))) if callable(check) else Task(check)
        step = self._step(title, "operation", state, hosts)
        self._tries[title] = self._tries.get(title, 0) + 1
        task_card.show_task(step, self._tries[title], hints, solution)
        if step.status is Status.OK:
            self._tries.pop(title)
        return step

    def shell(self, hosts: str | Batch, script: str, *, confirmed: bool = False) -> StepRecord:
        """Change hosts by a shell script, recorded like any other command; skipped in mode `validate`.

        Args:
            hosts: Pattern, or batch of `batches`, of the run's hosts.
            script: For the hosts' `sh`; an exit code other than 0 fails the step.
            confirmed: Send a script that destroys something or cuts hosts off without asking.

        Raises:
            StepFailed: As in `step`.
            ParameterError: As in `step`; or the script destroys something, and nobody has confirmed it.
        """
        if not confirmed and self.mode is Mode.APPLY:
            hint = "write `%%on --yes HOSTS`, or `confirmed=True`, where this is meant"
            person.confirm_script(script, f"%%on {hosts}", self._parent, hint)
        return self._step(f"%%on {hosts}", "shell", Script(script), hosts)

    def look(self, hosts: str | Batch, script: str) -> StepRecord:
        """Look at hosts by a shell script, in every mode: its output is shown, and no exit code is a failure.

        Nothing keeps the script from changing a host: it is recorded as free shell. It is also sent to a host that an
        earlier step excluded because it failed there.

        Args:
            hosts: Pattern, or batch of `batches`, of the run's hosts.
            script: For the hosts' `sh`.

        Raises:
            StepFailed: A host could not be reached, or sent no exit code.
            ParameterError: As in `step`; or the script destroys something, and nobody has confirmed it.
        """
        hint = "a change belongs into a step, or into `%%on`"
        person.confirm_script(script, f"%%look {hosts}", self._parent, hint)
        return self._step(f"%%look {hosts}", "shell", Look(script), hosts)

    def batches(  # noqa: PLR0913 - all that controls a loop over batches
        self,
        *,
        first: Size = FIRST,
        then: Size = THEN,
        max_failed: int = 0,
        pause: float = 0.0,
        confirm: bool = False,
        hosts: str | Batch | None = None,
    ) -> Iterator[Batch]:
        """Return the run's hosts in batches, for a loop in which each step has `hosts=batch`.

        If a batch fails, no further one begins: the run ends, and its record lists the hosts that were not attempted
        as `skipped`. Modes `plan` and `validate` neither pause nor ask; with `on_failure: continue` they go through
        all batches.

        Args:
            first: Hosts in the first batch: a number, or a percentage of the hosts such as `"25%"`, rounded down, but
                at least one host.
            then: Hosts in each further batch, likewise.
            max_failed: How many hosts of a batch may fail. Up to there the run continues with the others, also if
                `on_failure` is `stop`; it fails at its end.
            pause: Seconds between two batches.
            confirm: Ask the person at the notebook or terminal before each batch but the first.
            hosts: Pattern, or batch, that restricts the loop to some of the run's hosts.

        Raises:
            ParameterError: An argument is wrong, or `confirm` is true where nobody can answer. No batch has begun.
            StepFailed: In the loop: more hosts of a batch failed than `max_failed`, or the run has ended.
            Interrupted: In the loop: by Ctrl-C in the pause, or because a batch was not confirmed.
        """
        batch_loop.check_pause(pause)
        names = [host.name for host in self._run.select_hosts(hosts)]
        batches = divide(names, first, then, max_failed)
        if confirm and self.mode is Mode.APPLY:
            batch_loop.refuse_without_person(self._parent)
        with self._interruptible():
            self._start_again_if_ended()
        rollout = self._run.begin_rollout(batches, max_failed)
        apply = self.mode is Mode.APPLY
        return batch_loop.loop(
            self._run, rollout, self._interruptible, pause if apply else 0.0, ask=confirm and apply
        )

    def transaction(
        self,
        name: str,
        *,
        hosts: str | Batch | None = None,
        all_or_nothing: bool = False,
        strict: bool = True,
    ) -> TransactionBlock:
        """Group steps in a `with` block: on a host where one fails, the changes of those before it are rolled back.

        They are rolled back in reverse, by the rollback commands of their plans, in a step of its own,
        `Roll back: NAME`; then facts are read again to check that the old state is back. Besides a failed step,
        an exception that the notebook raises in the block and Ctrl-C roll back all hosts. A host on which no step
        fails goes through the whole block and keeps its changes; with `on_failure: stop` the run ends after the block.

        Steps in the block without `hosts` are for the transaction's hosts. A step for another host may only read.

        Args:
            name: What the transaction is for, in a word or two.
            hosts: Pattern, or batch of `batches`; default: all hosts of the run.
            all_or_nothing: If one host fails, roll back the others too.
            strict: Refuse a step that would change a host and whose plan has no rollback, before it sends anything;
                a confirmed network change and a reboot have none. If false, the change is left in place, and the
                record says `not rolled back`.

        Raises:
            ParameterError: The name is empty, `hosts` is wrong, or the transaction is inside another one.
            StepFailed: At the end of the block: a step failed on some hosts, and `on_failure` is `stop`.
        """
        if self._in_transaction:
            raise ParameterError(
                f"transaction {name!r} is inside the transaction {self._in_transaction!r}",
                hint="put one after the other, or all steps into one",
            )
        if not isinstance(name, str) or not name.strip():
            raise ParameterError(
                f"{name!r} is not a name of a transaction", hint='as in transaction("rotate")'
            )
        chosen = tuple(host.name for host in self._run.select_hosts(hosts))
        transaction = Transaction(
            self._secrets.mask(name), chosen, all_or_nothing=all_or_nothing, strict=strict
        )
        return TransactionBlock(lambda: self._begin_transaction(transaction), self._end_transaction)

    def _begin_transaction(self, transaction: Transaction) -> None:
        with self._interruptible():
            self._start_again_if_ended()
            self._run.begin_transaction(transaction)
        self._in_transaction = transaction.name

    def _end_transaction(self, problem: BaseException | None) -> None:
        try:
            if not isinstance(
                problem, EvidenceError
            ):  # nothing more can be recorded, so nothing more is sent
                with self._interruptible():
                    self._run.end_transaction(problem)
        finally:
            self._in_transaction = ""

    def close(self) -> RunRecord:
        """End the run: write the end-of-run line and show the summary. A run that has ended is left as it is.

        `runbook run` writes the reports, the executed notebook and the seal into the run directory. In a notebook
        that is used by hand the end of the run does: with a copy of the notebook as it was last saved, if the
        program that started the kernel says which file that is. A script seals its run with `runbook audit seal`.

        Raises:
            StepFailed: The run failed: a step did (`on_failure: continue`), or the run had ended before.
            EvidenceError: The run succeeded, but its reports or its seal could not be written.
            ParameterError: In the block of a transaction, which is not finished.
        """
        if self._in_transaction and not self._run.ended:
            raise ParameterError(
                f"the transaction {self._in_transaction!r} is not finished: its changes are rolled back",
                hint="close the run after the block of the transaction",
            )
        if not self._run.ended:
            with self._interruptible():
                self._run.finish(self._run.status)
        self._run.raise_if_bad()
        return self.record

    def interrupt(self) -> None:
        """Stop the step that another thread carries out, as Ctrl-C stops it; nothing happens between two steps."""
        if self._busy:
            self._cancel.set()

    def _step(
        self,
        title: str,
        kind: StepKind,
        operation: Operation | Callable[[Host], Operation],
        hosts: str | Batch | None,
        serial: Size | None = None,
    ) -> StepRecord:
        if os.getpid() != self._process:
            # The threads that reach hosts exist only there: the step would never end.
            raise EvidenceError(
                "a forked process must not run steps of the runbook that its parent process opened",
                where=title,
                hint="run steps in the process that opened the run; nothing was sent to hosts",
            )
        with self._interruptible():
            self._start_again_if_ended()
            return self._run.step(title, kind, operation, hosts, serial)

    def _start_again_if_ended(self) -> None:
        """Start another run if the current one has ended."""
        if self._run.ended and self._in_transaction:
            raise StepFailed(
                f"the run has ended inside the transaction {self._in_transaction!r}: it gets no further steps",
                where=self.record.run,
                hint="see the red cards for the reasons",
            )
        if self._run.ended:
            previous = self.record
            self._run = Run(self._context, run_directory.make(self.parameters))
            self._start_run(previous)

    def _cell_failed(self, problem: BaseException) -> None:
        """End the run after a cell raised outside of any step: under our engine no further cell is executed."""
        if self._run.ended or isinstance(problem, SystemExit | EvidenceError):
            return
        with self._interruptible():
            if isinstance(problem, KeyboardInterrupt):
                self._run.finish(*self._run.interrupted_between_steps())
            else:
                self._run.finish(Status.FAILED, f"a cell raised {type(problem).__name__}: {problem}")
