"""The hosts of one run: how a step selects them, a connection and a lock for each, the recorder for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.connections.output_budget import OutputBudget
from runbook_lib.connections.registry import connect
from runbook_lib.errors import ParameterError
from runbook_lib.evidence.layout import OUTPUT
from runbook_lib.evidence.output_store import OutputStore
from runbook_lib.model.batches import Batch, batch_size
from runbook_lib.model.status import Mode
from runbook_lib.runbook.steps.host_lock import HostLock, Owner
from runbook_lib.runbook.steps.host_session import HostSession
from runbook_lib.runbook.steps.host_step import HostStep
from runbook_lib.runbook.steps.recorder import Recorder

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.connections.base import Connection
    from runbook_lib.evidence.journal import Journal
    from runbook_lib.host_settings import Host
    from runbook_lib.model.batches import Size
    from runbook_lib.model.records import RunRecord
    from runbook_lib.model.step_progress import Running
    from runbook_lib.operations.base import Operation
    from runbook_lib.runbook.run_context import RunContext
    from runbook_lib.runbook.steps.deadline import Deadline
    from runbook_lib.runbook.steps.resume import StepHistory
    from runbook_lib.runbook.steps.transaction import Transaction

__all__ = ["RunHosts"]


class RunHosts:
    """What one run has for each of its hosts.

    Args:
        context: What the run has in common with other runs of the session.
        journal: The run's.
        directory: Its directory.
        record: Its record, as it starts.
    """

    def __init__(self, context: RunContext, journal: Journal, directory: Path, record: RunRecord) -> None:
        parameters = context.parameters
        self._context = context
        self._journal = journal
        self._record = record
        self._connections = {host.name: connect(host, context.secrets) for host in context.hosts}
        self._recorder = Recorder(
            journal,
            OutputStore(directory / OUTPUT),
            context.secrets,
            context.cancel,
            context.parent,
            OutputBudget(parameters.max_stream_bytes, parameters.max_run_bytes),
        )
        self.closed = False
        """Whether the locks were released: no step may follow."""
        self._locks = {name: self._make_lock(link) for name, link in self._connections.items()}

    def select(self, hosts: str | Batch | None) -> list[Host]:
        """Return those of the run's hosts that a pattern or a batch selects; None selects all of them.

        Raises:
            InputError: The pattern selects none of them.
        """
        context = self._context
        if hosts is None:
            return context.hosts
        wanted = (
            set(hosts)
            if isinstance(hosts, Batch)
            else {host.name for host in context.inventory.select(hosts)}
        )
        chosen = [host for host in context.hosts if host.name in wanted]
        if not chosen:
            raise ParameterError(
                f"{str(hosts)!r} is not one of this run's hosts ({', '.join(self._record.hosts)})",
                where=context.parameters.runbook,
                hint="widen the parameter `hosts`",
            )
        return chosen

    def groups(self, chosen: list[Host], serial: Size | None) -> list[list[Host]]:
        """Return the hosts that a step works on at the same time: by `serial`, unless nothing is changed anyway."""
        size = len(chosen) if serial is None else batch_size(serial, len(chosen), "serial")
        if self._context.parameters.run_mode is not Mode.APPLY:
            size = len(chosen)
        return [chosen[start : start + size] for start in range(0, len(chosen), size)]

    def step(  # noqa: PLR0913 - all that a step depends on
        self,
        name: str,
        operation: Operation,
        *,
        step: int,
        predicting: bool,
        deadline: Deadline | None,
        history: StepHistory | None,
        transaction: Transaction | None,
    ) -> HostStep:
        """Return a step on the host of a name, ready to be carried out; see `HostStep`."""
        return HostStep(
            operation,
            self._connections[name],
            self._recorder,
            step=step,
            mode=self._context.parameters.run_mode,
            predicting=predicting,
            deadline=deadline,
            lock=self._locks[name],
            history=history,
            transaction=transaction,
        )

    def session(self, name: str, operation: Operation, step: int) -> HostSession:
        """Return a session on the host of a name, without a deadline: for a rollback."""
        return HostSession(
            operation,
            self._connections[name],
            self._recorder,
            step=step,
            mode=self._context.parameters.run_mode,
            lock=self._locks[name],
        )

    def running(self, name: str) -> Running:
        """Return what the host of a name is doing now."""
        return self._recorder.running(name)

    def close(self) -> None:
        """Release all locks and close all connections, in parallel: each takes a round trip."""
        self.closed = True
        self._context.pool.map(HostLock.release, list(self._locks.values()))
        self._context.pool.map(lambda connection: connection.close(), list(self._connections.values()))

    def _make_lock(self, connection: Connection) -> HostLock:
        record = self._record
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
            timeout=self._context.parameters.lock_timeout,
            take_over=self._context.parameters.take_over,
            resumes=record.resumes or "",
            cancel=self._context.cancel,
            stop_without_parent=self._recorder.stop_without_parent,
        )
