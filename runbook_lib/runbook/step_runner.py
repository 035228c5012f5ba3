"""One step on groups of hosts, one group after another: carried out, recorded in the journal, shown as a card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.display import cards
from runbook_lib.display.live_card import LiveCard
from runbook_lib.evidence import events
from runbook_lib.model.records import HostRecord, StepRecord
from runbook_lib.model.status import BAD, Status
from runbook_lib.runbook.steps.recorder import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.evidence.journal import Journal
    from runbook_lib.host_settings import Host
    from runbook_lib.model.kinds import StepKind
    from runbook_lib.model.records import RunRecord
    from runbook_lib.runbook.run_context import RunContext
    from runbook_lib.runbook.run_hosts import RunHosts
    from runbook_lib.runbook.steps.run_status import RunStatus

__all__ = ["StepRunner", "failed", "not_attempted"]


class StepRunner:
    """Carries out and records the steps of one run.

    Args:
        context: What the run has in common with other runs of the session.
        journal: The run's.
        record: Its record, to which the steps are added.
        hosts: Its hosts.
        run_status: Learns which hosts a step was not attempted on.
    """

    def __init__(
        self, context: RunContext, journal: Journal, record: RunRecord, hosts: RunHosts, run_status: RunStatus
    ) -> None:
        self._context = context
        self._journal = journal
        self._run = record.run
        self._steps = record.steps
        self._hosts = hosts
        self._run_status = run_status

    def carry_out(
        self,
        title: str,
        kind: StepKind,
        groups: list[list[Host]],
        on_host: Callable[[int, Host], HostRecord],
    ) -> StepRecord:
        """Carry out and record a step on groups of hosts, one after another; a group that fails is the last one.

        Args:
            title: The step's title, without secret values.
            kind: What the step is recorded as.
            groups: Its hosts.
            on_host: Carries out the step of a number on a host.
        """
        number = len(self._steps) + 1
        step = StepRecord(number=number, title=title, kind=kind, started=now())
        names = [host.name for group in groups for host in group]
        events.step_started(self._journal, step, names)
        by_hand = self._context.by_hand
        live = LiveCard(f"{number}. {title}", names, self._hosts.running) if by_hand else None

        def record_host(host: Host) -> HostRecord:
            record = not_attempted(host, stopped) if stopped else on_host(number, host)
            events.host_ended(self._journal, number, record)
            cards.log_host(number, record)
            if live:
                live.finish(record)
            return record

        records: list[HostRecord] = []
        stopped = ""
        for group in groups:
            records += self._context.pool.map(record_host, group, live.refresh if live else None)
            if stopped:
                for host in group:
                    self._run_status.exclude(
                        host.name, f"step {number} {title!r} was not attempted: {stopped}"
                    )
            elif self._context.cancel.is_set():
                stopped = "the run was interrupted"
            else:
                bad = [record for record in records if record.status in BAD]
                stopped = f"this step is {bad[0].status} on {bad[0].host}" if bad else ""
        step = step.model_copy(update={"ended": now(), "hosts": records})
        events.step_ended(self._journal, step)
        self._steps.append(step)
        replaced = live.display_id if live else ""
        cards.show_step(step, self._context.parameters.run_mode, self._run, replaced)
        return step

    def record_untouched(self, names: set[str], status: Status, message: str) -> None:
        """Record the hosts of batches that were not begun, in a step of its own; nothing if there are none.

        Args:
            names: The hosts.
            status: The status of the whole run.
            message: Why it ends, if no step gives the reason.
        """
        if not names:
            return
        bad = [(step, host) for step in self._steps for host in step.hosts if host.status in BAD]
        if message:
            reason = message
        elif status is Status.INTERRUPTED:
            reason = "the run was interrupted"
        elif bad:
            step, failed = bad[-1]
            reason = f"step {step.number} {step.title!r} is {failed.status} on {failed.host}"
        else:
            reason = "the runbook left the loop over the batches before"
        hosts = [host for host in self._context.hosts if host.name in names]
        self.carry_out(
            "Hosts not attempted", "untouched", [hosts], lambda _, host: not_attempted(host, reason)
        )


def failed(host: Host, reason: str) -> HostRecord:
    """Return the record of a step on a host for which it has no operation.

    Args:
        host: The host.
        reason: Why it has none, without secret values.
    """
    return HostRecord(
        host=host.name,
        address=host.target,
        kind=host.kind,
        status=Status.FAILED,
        message=reason,
        started=now(),
        ended=now(),
    )


def not_attempted(host: Host, reason: str, operation: str = "") -> HostRecord:
    """Return the record of a step on a host on which it was not begun.

    Args:
        host: The host.
        reason: Why it was not begun.
        operation: What would have been done.
    """
    return HostRecord(
        host=host.name,
        address=host.target,
        kind=host.kind,
        operation=operation,
        status=Status.SKIPPED,
        message=f"not attempted: {reason}",
        started=now(),
        ended=now(),
    )
