"""Resume a run that did not succeed: whether it can be resumed, and which of its steps are proven done."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import EvidenceError, InputError, ParameterError
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.exposed_secrets import ExposedSecrets
from runbook_lib.evidence.layout import JOURNAL, NOTEBOOK
from runbook_lib.evidence.liveness import still_running
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.evidence.notebook_records import EmbeddedRecords
from runbook_lib.evidence.reader import build_record
from runbook_lib.evidence.regular_file import read
from runbook_lib.evidence.seal_contents import seal_problem
from runbook_lib.model.kinds import ADDED_BY_RUN
from runbook_lib.model.status import Mode, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from runbook_lib.host_settings import Host
    from runbook_lib.model.records import HostRecord, RunRecord, StepRecord
    from runbook_lib.parameters import Parameters

__all__ = ["CHANGEABLE", "OF_ONE_RUN", "EarlierRun", "StepHistory", "changed_parameters", "load_earlier"]

CHANGEABLE = frozenset(
    {
        "at_once",
        "lock_timeout",
        "max_run_bytes",
        "max_stream_bytes",
        "on_failure",
        "resume",
        "run_timeout",
        "runs",
        "step_timeout",
        "take_over",
    }
)
"""Parameters that set how a run proceeds, not what it does: they may differ from the earlier run's."""

OF_ONE_RUN = frozenset({"resume", "take_over"})
"""Those of them that a resumed run never takes over from the earlier run."""

_ALTERED = "`runbook audit verify` gives details; start a new run without --resume"
_EXPOSED = "rotate the secret, and start a new run without --resume"
_START_NEW = "start a new run without --resume; steps already in the desired state report ok"


@dataclass(frozen=True)
class StepHistory:
    """What earlier runs did in one step on one host.

    Args:
        done_in: The run that proves the step done; empty if none does.
        started_in: The run that sent a command which may have changed the host, and did not complete the step;
            empty if there is none.
        unchanged: Whether the host was in the desired state already when the step was done.
    """

    done_in: str = ""
    started_in: str = ""
    unchanged: bool = False

    @property
    def changed_in(self) -> str:
        """The run that has changed the host in this step, or may have; empty if there is none."""
        return self.started_in or ("" if self.unchanged else self.done_in)


@dataclass(frozen=True)
class EarlierRun:
    """The run to resume.

    Args:
        record: Its record.
        histories: By the step's position among those that the notebook asked for, from 1, and host.
        journal_sha256: The SHA-256 of the journal that both were read from.
        exposed: Secrets that it has recorded in plain text, and that are not in its record.
    """

    record: RunRecord
    histories: dict[tuple[int, str], StepHistory] = field(default_factory=dict)
    journal_sha256: str = ""
    exposed: ExposedSecrets = field(default_factory=ExposedSecrets)

    def check_step(self, position: int, title: str, mask: Callable[[str], str]) -> None:
        """Refuse a step that is not the earlier run's step of that position.

        Args:
            position: The step's position.
            title: Its title now, without the secrets that `mask` removes.
            mask: Removes the secrets that the new run knows.

        Raises:
            InputError: The runbook has changed since the earlier run.
        """
        step = dict(_asked_for(self.record)).get(position)
        title, was = self.exposed.mask(title), mask(step.title) if step else ""
        if step and was != title:
            problem = f"step {position} is {title!r} now and was {was!r} in the run to resume"
            raise InputError(f"{problem}: the runbook has changed", where=self.record.run, hint=_START_NEW)

    def history(self, position: int, host: str) -> StepHistory:
        """Return what earlier runs did in the step of a position on a host."""
        return self.histories.get((position, host), StepHistory())


def load_earlier(path: Path, parameters: Parameters, hosts: Sequence[Host]) -> EarlierRun:
    """Read the run to resume, and refuse one that cannot be resumed.

    Args:
        path: Its run directory.
        parameters: The new run's parameters.
        hosts: The new run's hosts, as the inventory defines them now.

    Raises:
        InputError: The run is still running, has succeeded, has evidence that is damaged or was altered, or is of
            another runbook, with other parameters, or on other hosts.
    """
    record, exposed, data = _record(path)
    where = record.run
    if still_running(path / JOURNAL, record):
        raise InputError(
            f"the run is still running (process {record.pid} on {record.machine})",
            where=where,
            hint=f"wait until it ends, or interrupt it: kill -INT {record.pid}",
        )
    if record.status.is_success or record.status is Status.SKIPPED:
        raise InputError(f"the run has ended with status {record.status}: nothing to resume", where=where)
    if record.runbook != parameters.runbook:
        raise InputError(
            f"the run to resume is of {record.runbook}, not of {parameters.runbook}", where=where
        )
    changed = changed_parameters(record, parameters.model_dump(mode="json"))
    if changed:
        raise ParameterError(
            f"parameters differ from the run to resume: {'; '.join(changed)}",
            where=where,
            hint="omit them, or start a new run without --resume",
        )
    _refuse_other_hosts(record, hosts)
    histories = {
        (position, host.host): _history(record, step, host)
        for position, step in _asked_for(record)
        for host in step.hosts
    }
    return EarlierRun(record, histories, hashlib.sha256(data).hexdigest(), exposed)


def changed_parameters(record: RunRecord, values: Mapping[str, Any]) -> list[str]:
    """Describe the parameters in `values` that differ from a run's own and must not."""
    return [
        f"{name} is {values[name]!r} now and was {record.parameters[name]!r}"
        for name in values
        if name not in CHANGEABLE and name in record.parameters and values[name] != record.parameters[name]
    ]


def _record(path: Path) -> tuple[RunRecord, ExposedSecrets, bytes]:
    """Return the record of the run to resume, its exposed secrets, and its journal: all from one read of the file.

    Raises:
        InputError: The journal is missing or damaged, or the run's evidence was altered.
    """
    try:
        data = read(path / JOURNAL)
    except EvidenceError as missing:
        raise InputError(f"the run to resume has no journal: {missing.message}", where=str(path)) from missing
    try:
        lines = read_lines(data)
        record, exposed = build_record(lines), ExposedSecrets.of(lines.entries)
    except EvidenceError as damaged:
        raise InputError(
            f"cannot be resumed: {damaged.message}", where=str(path), hint=_START_NEW
        ) from damaged
    # A last line that was cut off when the process died proves nothing and hides nothing.
    if lines.problem and not lines.cut_off:
        raise InputError(
            f"cannot be resumed: the journal is damaged: {lines.problem}", where=record.run, hint=_ALTERED
        )
    if exposed and record.parameters != lines.entries[0].get("parameters"):
        problem = "cannot be resumed: a parameter has the value of a secret in plain text"
        raise InputError(problem, where=record.run, hint=_EXPOSED)
    problem = _altered(path, record, data)
    if problem:
        raise InputError(
            f"cannot be resumed: the run's evidence was altered: {problem}", where=record.run, hint=_ALTERED
        )
    return record, exposed, data


def _altered(path: Path, record: RunRecord, journal: bytes) -> str:
    """Return what contradicts a journal in the run's directory; empty if nothing does."""
    name = path.resolve().name
    if record.run != name:
        return f"the directory is named {name}, but contains run {record.run}"
    return (
        seal_problem(path, journal)
        or _contradiction(path / NOTEBOOK, record)
        or _changed_before(path.resolve().parent, record)
    )


def _changed_before(runs: Path, record: RunRecord) -> str:
    """Return the first run that was altered after a later one resumed it; empty if none is, as far as they are here.

    What a resumed run skipped was proven by the runs before it.
    """
    followed: set[str] = set()
    while record.resumes and record.resumes_sha256 and record.resumes not in followed:
        followed.add(record.resumes)
        file = runs / Path(record.resumes).name / JOURNAL
        try:
            data = read(file)
            if hashlib.sha256(data).hexdigest() != record.resumes_sha256:
                return f"{record.resumes}: changed after {record.run} resumed it"
            record = build_record(read_lines(data))
        except EvidenceError:
            return ""  # not here: `audit verify` says so
    return ""


def _contradiction(notebook: Path, record: RunRecord) -> str:
    """Return the first step whose status in the executed notebook differs from the journal's; empty if none does.

    A run without a seal has only this second account of itself. A notebook that cannot be read proves nothing.
    """
    try:
        embedded = EmbeddedRecords.of(Notebook.parse(read(notebook), NOTEBOOK)).of_run(record.run)
        shown = {
            (step["number"], host["host"]): host["status"]
            for step in embedded.steps
            for host in step["hosts"]
        }
    except (EvidenceError, LookupError, TypeError):
        return ""
    for step in record.steps:
        for host in step.hosts:
            other = shown.get((step.number, host.host), host.status)
            if other != host.status:
                return f"step {step.number} on {host.host} is {host.status} in the journal and {other} in the notebook"
    return ""


def _refuse_other_hosts(record: RunRecord, hosts: Sequence[Host]) -> None:
    now, was = [host.name for host in hosts], record.hosts
    addresses = {host.host: host.address for step in record.steps for host in step.hosts if host.address}
    moved = [
        f"{host.name} is {host.target} now and was {addresses[host.name]}"
        for host in hosts
        if addresses.get(host.name, host.target) != host.target
    ]
    if now != was or moved:
        what = "; ".join(moved) or f"{', '.join(now)} now, {', '.join(was)} then"
        raise InputError(
            f"hosts differ from the run to resume: {what}",
            where=record.run,
            hint=_START_NEW,
        )


def _asked_for(record: RunRecord) -> Iterator[tuple[int, StepRecord]]:
    """Yield the steps that the notebook asked for, each with its position among them, from 1.

    Steps that the run adds depend on its failures: the run that resumes it has other ones, or none.
    """
    yield from enumerate((step for step in record.steps if step.kind not in ADDED_BY_RUN), start=1)


def _history(record: RunRecord, step: StepRecord, host: HostRecord) -> StepHistory:
    if record.mode is not Mode.APPLY:
        return StepHistory()
    rollback = _rollback_of(record, step.number, host.host)
    if rollback is not None:
        accepted = [command.accepted for command in rollback.commands if command.kind == "rollback"]
        return StepHistory(started_in="" if accepted and all(accepted) else record.run)
    if host.proven and host.status.is_success | (host.status is Status.SKIPPED):
        return StepHistory(done_in=host.proven)
    if host.status.is_success and host.status is not Status.PLANNED:
        return StepHistory(done_in=record.run, unchanged=host.status is Status.OK)
    sent = any(command.number and command.kind != "fact" for command in host.commands)
    return StepHistory(started_in=record.run if sent else "")


def _rollback_of(record: RunRecord, number: int, name: str) -> HostRecord | None:
    """Return the record of the rollback of a step on a host; None if the step was not rolled back there."""
    return next(
        (host for step in record.steps for host in step.hosts if host.host == name and number in host.undoes),
        None,
    )
