"""One run of a runbook, from `open` to `close`."""

from __future__ import annotations

import contextlib
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from runbook_lib.connections.registry import connect
from runbook_lib.display import cards
from runbook_lib.display.kernel_masking import mask_outputs
from runbook_lib.errors import EvidenceError, InputError, Interrupted, ParameterError, StepFailed
from runbook_lib.evidence import events
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.layout import JOURNAL, OUTPUT
from runbook_lib.evidence.output_store import OutputStore
from runbook_lib.inventory import Host, Inventory
from runbook_lib.model.records import HostRecord, RunRecord, StepRecord
from runbook_lib.model.status import Status
from runbook_lib.operations.observe import Observe
from runbook_lib.operations.shell import Script
from runbook_lib.runbook import interrupts, resume, run_directory
from runbook_lib.runbook.deadline import Deadline, earliest
from runbook_lib.runbook.host_lock import HostLock, Owner
from runbook_lib.runbook.host_pool import HostPool
from runbook_lib.runbook.host_step import HostStep
from runbook_lib.runbook.parent_process import ParentProcess
from runbook_lib.runbook.provenance import new_run_record
from runbook_lib.runbook.recorder import Recorder, now
from runbook_lib.runbook.run_status import BAD, RunStatus
from runbook_lib.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runbook_lib.connections.base import Connection
    from runbook_lib.facts.base import Fact
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
        self._inventory = inventory
        self.mode = parameters.run_mode
        self._cancel = threading.Event()
        self._secrets = Secrets()
        self._secrets.resolve_all(parameters)
        self._parent = ParentProcess()
        self._busy = False
        self._pool = HostPool(min(len(hosts), parameters.at_once))
        self._prepare_run(path, earlier)

    def _prepare_run(self, path: Path, earlier: resume.EarlierRun | None) -> None:
        """Set up what belongs to one run: its directory, journal, connections, locks and status."""
        parameters, hosts = self.parameters, self.hosts
        self.directory = path
        self._connections = {host.name: connect(host, self._secrets) for host in hosts}
        self._journal = Journal(path / JOURNAL, self._secrets.mask_data)
        self._recorder = Recorder(
            self._journal, OutputStore(path / OUTPUT), self._secrets, self._cancel, self._parent
        )
        self._deadline = Deadline.from_now("run_timeout", parameters.run_timeout)
        self._run_status = RunStatus(
            [host.name for host in hosts], self.mode, stop=parameters.on_failure == "stop"
        )
        self.record = new_run_record(parameters, self._inventory, hosts, path, earlier)
        self._earlier = earlier
        self._locks = {name: self._make_lock(link) for name, link in self._connections.items()}
        run_directory.write_parameters(path, parameters)

    @classmethod
    def open(cls, parameters: Parameters) -> Self:
        """Start a run.

        Args:
            parameters: The runbook's parameters, already validated.

        Raises:
            InputError: The inventory, a host or a secret is wrong. No host was contacted, nothing was written.
            EvidenceError: The run directory cannot be written. No host was contacted.
        """
        inventory = Inventory.load(parameters.inventory)
        hosts = inventory.select(parameters.hosts)
        Secrets().resolve_all(parameters)
        for host in hosts:
            if host.sudo_password:
                Secrets().resolve(host.sudo_password)
        earlier = (
            resume.load_earlier(Path(parameters.resume), parameters, hosts) if parameters.resume else None
        )
        latest = cls._latest() if cls._latest else None
        if latest is not None:
            latest._abandon()  # noqa: SLF001 - another instance of this class
        book = cls(parameters, inventory, hosts, run_directory.make(parameters), earlier)
        with book._interruptible():
            book._start()
        if book._secrets.known:
            mask_outputs(book._secrets)
        cards.register_magic(book.shell)
        if book._parent.known:
            cards.on_cell_error(book._cell_failed)
        if cards.in_notebook():
            cls._latest = weakref.ref(book)
        return book

    def _abandon(self) -> None:
        """End a run that its notebook never closed, because another one is being opened there."""
        if self.record.ended is None:
            with self._interruptible():
                self._finish(Status.INTERRUPTED, "the notebook opened another run before it closed this one")

    def _start(self, previous: RunRecord | None = None) -> None:
        """Write the journal's first line; from here on the journal says how the run ended.

        Args:
            previous: The run of the same notebook that has ended, if a step after its end starts this one.
        """
        record = self.record
        events.run_started(self._journal, record)
        cards.show_run_start(record, self.directory, previous)
        if self._parent.known and self._deadline:
            interrupts.interrupt_at_deadline(
                self._deadline,
                busy=lambda: self._busy,
                done=lambda: self.record.run != record.run or self.record.ended is not None,
            )

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
            late = self._cancel.is_set() and self.record.ended is None
            self._cancel.clear()
            self._busy = False
        if late:
            raise KeyboardInterrupt

    def secret(self, reference: str) -> str:
        """Return the value of a secret reference; from now on this run's evidence and output mask the value.

        Pass the value to a command as `stdin`, never as an argument: every process on a host can read those.

        Args:
            reference: `${env:NAME}`, `${file:PATH}` or `${keyring:SERVICE/NAME}`.

        Raises:
            SecretError: The reference has no value, or the value is too short to be masked.
        """
        known = self._secrets.known
        value = self._secrets.resolve(reference)
        if not known:
            mask_outputs(self._secrets)
        return value

    def step(
        self,
        title: str,
        operation: Operation | Callable[[Host], Operation],
        *,
        hosts: str | None = None,
    ) -> StepRecord:
        """Carry out an operation on the run's hosts in parallel, and show the step's card.

        Args:
            title: What the step is for, in a few words.
            operation: The desired state, or a function from a host to its desired state.
            hosts: Pattern that restricts the step to some of the run's hosts.

        Raises:
            StepFailed: The step failed on a host and the run stops there.
            ParameterError: `hosts` does not match any host of the run.
            EvidenceError: The evidence cannot be written; no further command was sent.
        """
        return self._step(title, "operation", operation, hosts)

    def facts(self, title: str, *facts: Fact[Any], hosts: str | None = None) -> StepRecord:
        """Read facts from hosts and show them; nothing is changed in any mode.

        Args:
            title: What the facts are about, in a few words.
            facts: The facts to read.
            hosts: Pattern that restricts the step to some of the run's hosts.

        Raises:
            StepFailed: As in `step`.
        """
        return self._step(title, "facts", Observe(facts), hosts)

    def shell(self, hosts: str, script: str) -> StepRecord:
        """Run a shell script on hosts, recorded like any other command; skipped in mode `validate`.

        Raises:
            StepFailed: As in `step`.
        """
        return self._step(f"%%on {hosts}", "shell", Script(script), hosts)

    def close(self) -> RunRecord:
        """End the run: write the end-of-run line and show the summary. A run that has ended is left as it is.

        Raises:
            StepFailed: The run failed: a step did (`on_failure: continue`), or the run had ended before.
        """
        if self.record.ended is None:
            with self._interruptible():
                self._finish(self._run_status.status)
        status = self.record.status
        if status in BAD:
            failures = [
                f"step {step.number} {step.title!r} on {host.host}: {host.message.partition(chr(10))[0]}"
                for step in self.record.steps
                for host in step.hosts
                if host.status in BAD
            ]
            raise StepFailed(
                "\n  ".join([f"the run is {status}:", *filter(None, (self.record.message, *failures))]),
                where=self.record.run,
                hint="see the red cards for the reasons",
            )
        return self.record

    def _step(
        self,
        title: str,
        kind: Literal["operation", "facts", "shell"],
        operation: Operation | Callable[[Host], Operation],
        pattern: str | None,
    ) -> StepRecord:
        with self._interruptible():
            if self.record.ended is not None:
                self._start_again()
            return self._run_step(title, kind, operation, pattern)

    def _start_again(self) -> None:
        """Start a new run for a step that comes after the end of the last one."""
        previous = self.record
        self._prepare_run(run_directory.make(self.parameters), None)
        self._start(previous)

    def _run_step(
        self,
        title: str,
        kind: Literal["operation", "facts", "shell"],
        operation: Operation | Callable[[Host], Operation],
        pattern: str | None,
    ) -> StepRecord:
        chosen = self._select_hosts(pattern)
        title = self._secrets.mask(title)
        number = len(self.record.steps) + 1
        self._check_resumed_step(number, title)
        operations = {host.name: operation(host) if callable(operation) else operation for host in chosen}
        step = StepRecord(number=number, title=title, kind=kind, started=now())
        events.step_started(self._journal, step, [host.name for host in chosen])
        deadline = earliest((self._deadline, Deadline.from_now("step_timeout", self.parameters.step_timeout)))
        records = self._pool.map(
            lambda host: self._run_on_host(host, operations[host.name], number, deadline), chosen
        )
        step = step.model_copy(update={"ended": now(), "hosts": records})
        events.step_ended(self._journal, step)
        self.record.steps.append(step)
        cards.show_step(step, self.mode, self.record.run)
        timed_out = bool(self._deadline and self._deadline.passed and step.status in BAD)
        if self._run_status.add(step) or self._cancel.is_set() or timed_out:
            self._stop_at(step)
        return step

    def _select_hosts(self, pattern: str | None) -> list[Host]:
        if pattern is None:
            return self.hosts
        wanted = {host.name for host in self._inventory.select(pattern)}
        chosen = [host for host in self.hosts if host.name in wanted]
        if not chosen:
            raise ParameterError(
                f"{pattern!r} is not one of this run's hosts ({', '.join(self.record.hosts)})",
                where=self.parameters.runbook,
                hint="widen the parameter `hosts`",
            )
        return chosen

    def _run_on_host(
        self, host: Host, operation: Operation, number: int, deadline: Deadline | None
    ) -> HostRecord:
        reason = self._run_status.why_excluded(host.name)
        if reason is not None:
            record = HostRecord(
                host=host.name,
                address=host.target,
                kind=host.kind,
                operation=operation.describe(),
                status=Status.SKIPPED,
                message=f"not attempted: {reason}",
                started=now(),
                ended=now(),
            )
        else:
            record = HostStep(
                operation,
                self._connections[host.name],
                self._recorder,
                step=number,
                mode=self.mode,
                predicting=self._run_status.predicting,
                deadline=deadline,
                lock=self._locks[host.name],
                history=self._earlier.history(number, host.name) if self._earlier else None,
            ).run()
        events.host_ended(self._journal, number, record)
        cards.log_host(number, record)
        return record

    def _check_resumed_step(self, number: int, title: str) -> None:
        if self._earlier is None:
            return
        try:
            self._earlier.check_step(number, title)
        except InputError:
            self._finish(Status.FAILED)
            raise

    def _make_lock(self, connection: Connection) -> HostLock:
        record = self.record
        owner = Owner(
            record.run,
            connection.host.name,
            record.operator,
            record.machine,
            record.started.isoformat("T", "seconds"),
        )
        return HostLock(
            connection,
            owner,
            self._journal,
            timeout=self.parameters.lock_timeout,
            take_over=self.parameters.take_over,
            cancel=self._cancel,
        )

    def _stop_at(self, step: StepRecord) -> None:
        """End the run at a failed or interrupted step."""
        if self._cancel.is_set():
            self._finish(Status.INTERRUPTED)
            raise Interrupted(
                f"the run was interrupted in step {step.number} {step.title!r}",
                where=self.record.run,
                hint="run it again: steps already in the desired state report ok",
            )
        self._finish(self._run_status.status)
        first = next(host for host in step.hosts if host.status in BAD)
        raise StepFailed(
            f"step {step.number} {step.title!r} is {step.status} on {first.host}: {first.message}",
            where=self.record.run,
            hint=f"the journal is {self.directory / JOURNAL}",
        )

    def _cell_failed(self, problem: BaseException) -> None:
        """End the run after a cell raised outside of any step: under our engine no further cell is executed."""
        if self.record.ended is not None or isinstance(problem, SystemExit | EvidenceError):
            return
        with self._interruptible():
            if not isinstance(problem, KeyboardInterrupt):
                self._finish(Status.FAILED, f"a cell raised {type(problem).__name__}: {problem}")
            elif self._deadline and self._deadline.passed:
                self._finish(Status.FAILED, f"between two steps: {self._deadline.message}")
            else:
                self._finish(Status.INTERRUPTED, "interrupted between two steps")

    def _release_locks(self) -> None:
        """Release all host locks in parallel: each release takes a round trip."""
        self._pool.map(HostLock.release, list(self._locks.values()))

    def _finish(self, status: Status, message: str = "") -> None:
        message = self._secrets.mask(message)
        self.record = self.record.model_copy(update={"status": status, "ended": now(), "message": message})
        self._release_locks()
        self._pool.map(lambda connection: connection.close(), list(self._connections.values()))
        events.run_ended(self._journal, self.record)
        self._journal.close()
        cards.show_run_end(self.record)
