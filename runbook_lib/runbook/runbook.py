"""The object that a notebook calls `book`: a runbook being carried out, from `open` to `close`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from runbook_lib.display import magics
from runbook_lib.errors import ParameterError
from runbook_lib.model.batches import FIRST, THEN, divide
from runbook_lib.model.status import Mode
from runbook_lib.runbook import batch_loop
from runbook_lib.runbook.notebook.checked_input import refuse_other_than_parameters
from runbook_lib.runbook.notebook.notebook_parameters import collect_parameters
from runbook_lib.runbook.notebook.refused_steps import counted
from runbook_lib.runbook.notebook_runs import NotebookRuns
from runbook_lib.runbook.step_methods import StepMethods
from runbook_lib.runbook.steps.transaction import Transaction, TransactionBlock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.model.batches import Batch, Size
    from runbook_lib.model.records import RunRecord
    from runbook_lib.parameters import Parameters

__all__ = ["Runbook"]


class Runbook(StepMethods):
    """A runbook being carried out: steps on hosts, with evidence on disk before each command is sent.

    Created by `open`, which starts a run. The run ends with `close`, or at the first failed step if the parameter
    `on_failure` is `stop`. A run that has ended stays ended. A step after that starts a new run, and says
    so, if a person runs the cells; where a program executes them (`runbook run`, pytest, papermill, nbconvert) it is
    refused.
    """

    def __init__(self, runs: NotebookRuns) -> None:
        super().__init__(runs)
        self.parameters = runs.parameters
        self.hosts = runs.hosts
        self.mode = runs.mode

    @property
    def record(self) -> RunRecord:
        """The record of the current run so far; of the last run if that has ended."""
        return self._runs.run.record

    @property
    def directory(self) -> Path:
        """The directory with the evidence of the current run; of the last run if that has ended."""
        return self._runs.run.directory

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
        guessed = None
        if parameters is None:
            parameters, guessed = collect_parameters(name)
        refuse_other_than_parameters(parameters)
        book = cls(NotebookRuns.open(parameters, guessed))
        magics.register(book.shell, book.look, book.host_patterns)
        return book

    def host_patterns(self) -> list[str]:
        """Return what the steps' hosts can be named by: hosts of the run, and groups with such a host."""
        names = [host.name for host in self.hosts]
        groups = self._runs.inventory.groups
        return [*names, *(group for group, members in groups.items() if set(members) & set(names)), "all"]

    def secret(self, reference: str) -> str:
        """Return the value of a secret reference; from now on this run's evidence and output mask the value.

        Resolve it before anything can show it: what was recorded before stays, and is named in a warning.

        Pass the value to a command as `stdin`, never as an argument: every process on a host can read those.

        Args:
            reference: `${env:NAME}`, `${file:PATH}` or `${keyring:SERVICE/NAME}`; or `${shown:NAME}`, which stands in
                this run's records for a secret that a host has shown.

        Raises:
            SecretError: The reference has no value, or the value is too short to be masked.
        """
        return self._runs.secret(reference)

    @counted
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
        runs = self._runs
        names = [host.name for host in runs.run.hosts.select(hosts)]
        batches = divide(names, first, then, max_failed)
        if confirm and self.mode is Mode.APPLY:
            batch_loop.refuse_without_person(runs.parent)
        rollout = runs.begin_rollout(batches, max_failed)
        apply = self.mode is Mode.APPLY
        return batch_loop.loop(
            runs.run, rollout, runs.interruptible, pause if apply else 0.0, ask=confirm and apply
        )

    @counted
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
        runs = self._runs
        if runs.in_transaction:
            raise ParameterError(
                f"transaction {name!r} is inside the transaction {runs.in_transaction!r}",
                hint="put one after the other, or all steps into one",
            )
        if not isinstance(name, str) or not name.strip():
            raise ParameterError(
                f"{name!r} is not a name of a transaction", hint='as in transaction("rotate")'
            )
        chosen = tuple(host.name for host in runs.run.hosts.select(hosts))
        transaction = Transaction(
            runs.secrets.mask(name), chosen, all_or_nothing=all_or_nothing, strict=strict
        )
        return TransactionBlock(lambda: runs.begin_transaction(transaction), runs.end_transaction)

    def close(self) -> RunRecord:
        """End the run: write the end-of-run line and show the summary. A run that has ended is left as it is.

        `runbook run` writes the reports, the executed notebook and the seal into the run directory. In a notebook
        that is used by hand the end of the run does: with a copy of the notebook as it was last saved, and the
        outputs of this run, if the program that started the kernel says which file that is. A script seals its run
        with `runbook audit seal`.

        Raises:
            StepFailed: The run failed: a step did (`on_failure: continue`), or the run had ended before.
            EvidenceError: The run succeeded, but its reports or its seal could not be written.
            ParameterError: In the block of a transaction, which is not finished.
        """
        self._runs.close()
        return self.record

    def interrupt(self) -> None:
        """Stop the step that another thread carries out, as Ctrl-C stops it; nothing happens between two steps."""
        self._runs.interrupt()
