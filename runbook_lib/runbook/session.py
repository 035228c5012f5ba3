"""A run, from `open` to `close`."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from runbook_lib.connections.registry import connect
from runbook_lib.display import cards
from runbook_lib.display.kernel_masking import mask_outputs
from runbook_lib.errors import EvidenceError, InputError, Interrupted, ParameterError, StepFailed
from runbook_lib.evidence import events
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.output_store import OutputStore
from runbook_lib.inventory import Host, Inventory
from runbook_lib.model.records import HostRecord, RunRecord, StepRecord
from runbook_lib.model.status import Status
from runbook_lib.operations.observe import Observe
from runbook_lib.operations.shell import Script
from runbook_lib.runbook import interrupts, resume, run_directory
from runbook_lib.runbook.deadline import Deadline, soonest
from runbook_lib.runbook.host_lock import HostLock, Owner
from runbook_lib.runbook.host_pool import Workers
from runbook_lib.runbook.host_step import HostStep
from runbook_lib.runbook.parent_process import Runner
from runbook_lib.runbook.provenance import first_record
from runbook_lib.runbook.recorder import Recorder, now
from runbook_lib.runbook.run_status import BAD, Verdict
from runbook_lib.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runbook_lib.connections.base import Connection
    from runbook_lib.facts.base import Fact
    from runbook_lib.operations.base import Operation
    from runbook_lib.parameters import Parameters

__all__ = ["Runbook"]


class Runbook:
    """One run of a runbook: steps on hosts, with evidence on disk before each command is sent.

    Made by `open`; ended by `close`, or by the first failed step where the parameters say so.
    """

    def __init__(
        self,
        parameters: Parameters,
        inventory: Inventory,
        hosts: list[Host],
        path: Path,
        earlier: resume.Earlier | None = None,
    ) -> None:
        self.parameters = parameters
        self.hosts = hosts
        self._inventory = inventory
        self.directory = path
        self.mode = parameters.run_mode
        self._cancel = threading.Event()
        self._secrets = Secrets()
        self._secrets.resolve_all(parameters)
        self._connections = {host.name: connect(host, self._secrets) for host in hosts}
        self._journal = Journal(path / "journal.jsonl", self._secrets.mask_data)
        self._runner = Runner()
        self._recorder = Recorder(
            self._journal, OutputStore(path / "output"), self._secrets, self._cancel, self._runner
        )
        self._deadline = Deadline.from_now("run_timeout", parameters.run_timeout)
        self._busy = False
        self._workers = Workers(min(len(hosts), parameters.at_once))
        self._verdict = Verdict(
            [host.name for host in hosts], self.mode, stop=parameters.on_failure == "stop"
        )
        self.record = first_record(parameters, inventory, hosts, path, earlier)
        self._earlier = earlier
        self._locks = {name: self._lock(link) for name, link in self._connections.items()}

    @classmethod
    def open(cls, parameters: Parameters) -> Self:
        """Begin a run.

        Args:
            parameters: The runbook's parameters, already checked.

        Raises:
            InputError: The inventory, a host or a secret is wrong; nothing was touched or written.
            EvidenceError: The run directory cannot be written; nothing was touched.
        """
        inventory = Inventory.load(parameters.inventory)
        hosts = inventory.select(parameters.hosts)
        Secrets().resolve_all(parameters)
        for host in hosts:
            if host.sudo_password:
                Secrets().resolve(host.sudo_password)
        earlier = resume.load(Path(parameters.resume), parameters, hosts) if parameters.resume else None
        path = run_directory.make(parameters)
        book = cls(parameters, inventory, hosts, path, earlier)
        run_directory.write_parameters(path, parameters)
        with book._hearing():
            book._begin()
        return book

    def _begin(self) -> None:
        """Write the first line; from here on whatever ends the run is told in its journal."""
        events.run_started(self._journal, self.record)
        if self._secrets.known:
            mask_outputs(self._secrets)
        cards.run_opened(self.record, self.directory)
        cards.offer_magic(self.shell)
        if self._runner.told:
            cards.when_a_cell_fails(self._cell_failed)
            if self._deadline:
                interrupts.at_deadline(
                    self._deadline, busy=lambda: self._busy, over=lambda: self.record.ended is not None
                )

    @contextlib.contextmanager
    def _hearing(self) -> Iterator[None]:
        """Have an interrupt stop the hosts' work, while the block writes down what came of it.

        Raises:
            KeyboardInterrupt: One was heard too late for the block to take note.
        """
        self._busy = True
        try:
            with interrupts.heard(self._cancel.set):
                yield
        finally:
            late = self._cancel.is_set() and self.record.ended is None
            self._cancel.clear()
            self._busy = False
        if late:
            raise KeyboardInterrupt

    def secret(self, reference: str) -> str:
        """Return the value behind a reference; from now on it is masked in all that this run leaves and shows.

        Hand it to a command as `stdin`, never as an argument: every process of a host sees those.

        Args:
            reference: `${env:NAME}`, `${file:PATH}` or `${keyring:SERVICE/NAME}`.

        Raises:
            SecretError: It leads nowhere, or is too short to be masked.
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
        """Carry an operation out on the run's hosts, side by side, and show the step's card.

        Args:
            title: What the step is for, in a few words.
            operation: The desired state, or a function of a host where it differs by host.
            hosts: Only these of the run's hosts.

        Raises:
            StepFailed: A host failed, and the parameters say stop.
            ParameterError: `hosts` names none of the run's hosts.
            EvidenceError: The evidence cannot be written; no further command was sent.
        """
        return self._step(title, "operation", operation, hosts)

    def facts(self, title: str, *facts: Fact[Any], hosts: str | None = None) -> StepRecord:
        """Look at hosts and show what was seen; nothing is changed in any mode.

        Args:
            title: What is looked at.
            facts: What to gather.
            hosts: Only these of the run's hosts.

        Raises:
            StepFailed: As in `step`.
        """
        return self._step(title, "facts", Observe(facts), hosts)

    def shell(self, hosts: str, script: str) -> StepRecord:
        """Run a piece of free shell on hosts, recorded like any other command; not in mode `validate`.

        Raises:
            StepFailed: As in `step`.
        """
        return self._step(f"%%on {hosts}", "shell", Script(script), hosts)

    def close(self) -> RunRecord:
        """End the run: write the end-of-run line and show the summary.

        Raises:
            StepFailed: A step failed on the way (`on_failure: continue`).
        """
        status = self._verdict.status
        with self._hearing():
            self._end(status)
        if status in BAD:
            broken = [
                f"step {step.number} {step.title!r} on {host.host}: {host.message.partition(chr(10))[0]}"
                for step in self.record.steps
                for host in step.hosts
                if host.status in BAD
            ]
            raise StepFailed(
                "\n  ".join([f"the run is {status}:", *broken]),
                where=self.record.run,
                hint="the red cards say why",
            )
        return self.record

    def _step(
        self,
        title: str,
        kind: Literal["operation", "facts", "shell"],
        operation: Operation | Callable[[Host], Operation],
        pattern: str | None,
    ) -> StepRecord:
        with self._hearing():
            return self._carry_out(title, kind, operation, pattern)

    def _carry_out(
        self,
        title: str,
        kind: Literal["operation", "facts", "shell"],
        operation: Operation | Callable[[Host], Operation],
        pattern: str | None,
    ) -> StepRecord:
        chosen = self._choose(pattern)
        title = self._secrets.mask(title)
        number = len(self.record.steps) + 1
        self._refuse_another_step(number, title)
        operations = {host.name: operation(host) if callable(operation) else operation for host in chosen}
        step = StepRecord(number=number, title=title, kind=kind, started=now())
        events.step_started(self._journal, step, [host.name for host in chosen])
        deadline = soonest((self._deadline, Deadline.from_now("step_timeout", self.parameters.step_timeout)))
        records = self._workers.each(
            lambda host: self._on_host(host, operations[host.name], number, deadline), chosen
        )
        step = step.model_copy(update={"ended": now(), "hosts": records})
        events.step_ended(self._journal, step)
        if self.record.ended:  # by hand, after the run's end: nobody may come to let go
            self._let_go()
        self.record.steps.append(step)
        cards.step_ended(step, self.mode, self.record.run)
        late = bool(self._deadline and self._deadline.passed and step.status in BAD)
        if self._verdict.note(step) or self._cancel.is_set() or late:
            self._give_up(step)
        return step

    def _choose(self, pattern: str | None) -> list[Host]:
        if pattern is None:
            return self.hosts
        wanted = {host.name for host in self._inventory.select(pattern)}
        chosen = [host for host in self.hosts if host.name in wanted]
        if not chosen:
            raise ParameterError(
                f"{pattern!r} is none of the hosts of this run ({', '.join(self.record.hosts)})",
                where=self.parameters.runbook,
                hint="widen the parameter `hosts`",
            )
        return chosen

    def _on_host(
        self, host: Host, operation: Operation, number: int, deadline: Deadline | None
    ) -> HostRecord:
        reason = self._verdict.out(host.name)
        if reason is not None:
            record = HostRecord(
                host=host.name,
                address=host.target,
                kind=host.kind,
                operation=operation.describe(),
                status=Status.SKIPPED,
                message=f"not tried: {reason}",
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
                predicting=self._verdict.predicting,
                deadline=deadline,
                lock=self._locks[host.name],
                before=self._earlier.before(number, host.name) if self._earlier else None,
            ).run()
        events.host_ended(self._journal, number, record)
        cards.host_ended(number, record)
        return record

    def _refuse_another_step(self, number: int, title: str) -> None:
        if self._earlier is None:
            return
        try:
            self._earlier.check_step(number, title)
        except InputError:
            self._end(Status.FAILED)
            raise

    def _lock(self, connection: Connection) -> HostLock:
        told = self.record
        owner = Owner(
            told.run,
            connection.host.name,
            told.operator,
            told.machine,
            told.started.isoformat("T", "seconds"),
        )
        return HostLock(
            connection,
            owner,
            self._journal,
            patience=self.parameters.lock_timeout,
            take_over=self.parameters.take_over,
            cancel=self._cancel,
        )

    def _give_up(self, step: StepRecord) -> None:
        """End the run at a step that did not end well."""
        self._verdict.give_up(step)
        if self._cancel.is_set():
            self._end(Status.INTERRUPTED)
            raise Interrupted(
                f"the run was interrupted in step {step.number} {step.title!r}",
                where=self.record.run,
                hint="run it again: steps that are right already say ok",
            )
        self._end(self._verdict.status)
        first = next(host for host in step.hosts if host.status in BAD)
        raise StepFailed(
            f"step {step.number} {step.title!r} is {step.status} on {first.host}: {first.message}",
            where=self.record.run,
            hint=f"the journal is {self.directory / 'journal.jsonl'}",
        )

    def _cell_failed(self, problem: BaseException) -> None:
        """End the run where a cell raised outside of any step: under our engine no cell comes after it."""
        if self.record.ended is not None or isinstance(problem, SystemExit | EvidenceError):
            return
        with self._hearing():
            if not isinstance(problem, KeyboardInterrupt):
                self._end(Status.FAILED, f"a cell raised {type(problem).__name__}: {problem}")
            elif self._deadline and self._deadline.passed:
                self._end(Status.FAILED, f"between two steps: {self._deadline.over}")
            else:
                self._end(Status.INTERRUPTED, "interrupted between two steps")

    def _let_go(self) -> None:
        """Release the locks, side by side: each takes a moment on its host."""
        self._workers.each(HostLock.release, list(self._locks.values()))

    def _end(self, status: Status, message: str = "") -> None:
        message = self._secrets.mask(message)
        self.record = self.record.model_copy(update={"status": status, "ended": now(), "message": message})
        self._let_go()
        self._workers.each(lambda connection: connection.close(), list(self._connections.values()))
        events.run_ended(self._journal, self.record)
        cards.run_ended(self.record)
