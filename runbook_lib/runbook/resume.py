"""Go on with a run that did not end well: what is proven done there, and whether it may be gone on with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import EvidenceError, InputError, ParameterError
from runbook_lib.evidence.liveness import still_running
from runbook_lib.evidence.reader import read_journal, read_lines
from runbook_lib.model.status import Mode, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from runbook_lib.inventory import Host
    from runbook_lib.model.records import HostRecord, RunRecord
    from runbook_lib.parameters import Parameters

__all__ = ["FREE", "Before", "Earlier", "contradictions", "load"]

FREE = frozenset(
    {"at_once", "lock_timeout", "on_failure", "resume", "run_timeout", "runs", "step_timeout", "take_over"}
)
"""Parameters that say how a run goes about it and not what it does: they may differ from the earlier run's."""

_JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Before:
    """What the earlier run tells of one step on one host.

    Args:
        run: The run that proves it done; empty where none does.
        begun: A command was sent that may have changed the host, and the step's good end was not told.
    """

    run: str = ""
    begun: str = ""


@dataclass(frozen=True)
class Earlier:
    """The run to go on with."""

    record: RunRecord
    _of: dict[tuple[int, str], Before] = field(default_factory=dict)

    def check_step(self, number: int, title: str) -> None:
        """Refuse a step that is another one than the earlier run's of that number.

        Raises:
            InputError: The runbook has changed since.
        """
        was = next((step.title for step in self.record.steps if step.number == number), title)
        if was != title:
            raise InputError(
                f"step {number} is {title!r} now and was {was!r} in the run to go on with: the runbook has changed",
                where=self.record.run,
                hint="run it anew, without --resume: steps that are right already say ok",
            )

    def before(self, number: int, host: str) -> Before:
        """Return what is known of a step on a host."""
        return self._of.get((number, host), Before())


def load(path: Path, parameters: Parameters, hosts: Sequence[Host]) -> Earlier:
    """Read the run to go on with, and refuse one that must not be.

    Args:
        path: Its run directory.
        parameters: Of the new run.
        hosts: Of the new run, as the inventory has them now.

    Raises:
        InputError: It still runs, it ended well, its journal is not sound, or it is another runbook's or was
            carried out with other parameters, on other hosts.
    """
    record = _record(path)
    where = record.run
    if still_running(path / _JOURNAL, record):
        raise InputError(
            f"it is still running (process {record.pid} on {record.machine})",
            where=where,
            hint="wait for its end, or interrupt it: kill -INT with that process id",
        )
    if record.status.is_success or record.status is Status.SKIPPED:
        raise InputError(f"it ended well ({record.status}): nothing is left to go on with", where=where)
    if record.runbook != parameters.runbook:
        raise InputError(f"is a run of {record.runbook}, not of {parameters.runbook}", where=where)
    wrong = contradictions(record, parameters.model_dump(mode="json"))
    if wrong:
        raise ParameterError(
            f"other parameters than in the run to go on with: {'; '.join(wrong)}",
            where=where,
            hint="leave them away, or run it anew without --resume",
        )
    _refuse_other_hosts(record, hosts)
    told = {(step.number, host.host): _before(record, host) for step in record.steps for host in step.hosts}
    return Earlier(record, told)


def contradictions(record: RunRecord, values: Mapping[str, Any]) -> list[str]:
    """Return, in words, the parameters in `values` that differ from a run's own and may not."""
    return [
        f"{name} is {values[name]!r} now and was {record.parameters[name]!r}"
        for name in values
        if name not in FREE and name in record.parameters and values[name] != record.parameters[name]
    ]


def _record(path: Path) -> RunRecord:
    try:
        problem = read_lines((path / _JOURNAL).read_bytes()).problem
        record = read_journal(path)
    except OSError as missing:
        raise InputError(f"has no journal: {missing.strerror}", where=str(path)) from missing
    except EvidenceError as unsound:
        raise InputError(
            f"cannot be gone on with: {unsound.message}",
            where=str(path),
            hint="run it anew, without --resume: steps that are right already say ok",
        ) from unsound
    # A line that the end of the process cut off proves nothing and hides nothing.
    if problem and "is cut off" not in problem:
        raise InputError(
            f"cannot be gone on with: its journal is not sound: {problem}",
            where=record.run,
            hint="`runbook audit verify` says more; run it anew, without --resume",
        )
    return record


def _refuse_other_hosts(record: RunRecord, hosts: Sequence[Host]) -> None:
    now, was = [host.name for host in hosts], record.hosts
    addresses = {told.host: told.address for step in record.steps for told in step.hosts if told.address}
    moved = [
        f"{host.name} is {host.target} now and was {addresses[host.name]}"
        for host in hosts
        if addresses.get(host.name, host.target) != host.target
    ]
    if now != was or moved:
        what = "; ".join(moved) or f"{', '.join(now)} now, {', '.join(was)} then"
        raise InputError(
            f"other hosts than in the run to go on with: {what}",
            where=record.run,
            hint="run it anew, without --resume: steps that are right already say ok",
        )


def _before(record: RunRecord, host: HostRecord) -> Before:
    if record.mode is not Mode.APPLY:
        return Before()
    if host.proven and host.status.is_success | (host.status is Status.SKIPPED):
        return Before(run=host.proven)
    if host.status in {Status.OK, Status.CHANGED}:
        return Before(run=record.run)
    sent = any(command.number and command.kind != "fact" for command in host.commands)
    return Before(begun=record.run if sent else "")
