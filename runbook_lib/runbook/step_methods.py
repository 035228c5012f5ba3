"""The methods of a run that carry out a step: what notebooks call as `book.step`, `book.facts` and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook_lib.display import task_card
from runbook_lib.errors import ParameterError
from runbook_lib.integrations import testinfra
from runbook_lib.model.status import Mode, Status
from runbook_lib.operations.observe import Observe
from runbook_lib.operations.shell import Look, Script
from runbook_lib.operations.task import Task
from runbook_lib.runbook.notebook import person
from runbook_lib.runbook.notebook.refused_steps import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runbook_lib.facts.base import Fact
    from runbook_lib.host_settings import Host
    from runbook_lib.model.batches import Batch, Size
    from runbook_lib.model.records import StepRecord
    from runbook_lib.operations.base import Operation
    from runbook_lib.runbook.notebook_runs import NotebookRuns

__all__ = ["StepMethods"]


class StepMethods:
    """Each method carries out one step on the hosts of a notebook's current run, and records it.

    Args:
        runs: The runs of the notebook, of which the last one is current.
    """

    def __init__(self, runs: NotebookRuns) -> None:
        self._runs = runs
        self._tries: dict[str, int] = {}

    @counted
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
        return self._runs.step(title, "operation", operation, hosts, serial)

    @counted
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
        return self._runs.step(title, "operation", operation, hosts)

    @counted
    def facts(self, title: str, *facts: Fact[Any], hosts: str | Batch | None = None) -> StepRecord:
        """Read facts from hosts and show them; nothing is changed in any mode.

        Args:
            title: What the facts are about, in a few words.
            facts: The facts to read.
            hosts: Pattern, or batch of `batches`, that restricts the step to some of the run's hosts.

        Raises:
            StepFailed: As in `step`.
        """
        return self._runs.step(title, "facts", Observe(facts), hosts)

    @counted
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
        step = self._runs.step(title, "operation", state, hosts)
        self._tries[title] = self._tries.get(title, 0) + 1
        task_card.show_task(step, self._tries[title], hints, solution)
        if step.status is Status.OK:
            self._tries.pop(title)
        return step

    @counted
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
        if not confirmed and self._runs.mode is Mode.APPLY:
            hint = "write `%%on --yes HOSTS`, or `confirmed=True`, where this is meant"
            person.confirm_script(script, f"%%on {hosts}", self._runs.parent, hint)
        return self._runs.step(f"%%on {hosts}", "shell", Script(script), hosts)

    @counted
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
        hint = "a change belongs in a step, or in `%%on`"
        person.confirm_script(script, f"%%look {hosts}", self._runs.parent, hint)
        return self._runs.step(f"%%look {hosts}", "shell", Look(script), hosts)
