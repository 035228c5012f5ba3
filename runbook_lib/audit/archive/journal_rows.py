"""Turn a sound journal straight into what its rows are made from: the run's record as JSON.

Making the validated record and its rows would say the same, but take several times as long. So only the
usual case is handled here; anything unusual is left to `evidence.reader.build_record`, which says what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from runbook_lib.audit.archive import defaults
from runbook_lib.errors import RunbookError
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.journal_view import JournalView
from runbook_lib.evidence.reader import NO_HOST_END
from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord, StepKind, StepRecord
from runbook_lib.model.status import Mode, Status

if TYPE_CHECKING:
    from pydantic import BaseModel

    from runbook_lib.evidence.journal_view import HostEntries, StepEntries

__all__ = ["MODES", "STATUSES", "STEP_KINDS", "UNUSUAL", "Unusual", "run_of_journal"]

Payload = dict[str, Any]

_PARTS = frozenset({"steps", "hosts", "commands"})  # checked one by one
STATUSES = frozenset(status.value for status in Status)
MODES = frozenset(mode.value for mode in Mode)
STEP_KINDS = frozenset(get_args(StepKind))


class Unusual(ValueError):  # noqa: N818 - it may still be sound
    """Not what a run writes when all goes well: left to the reader that can say what it is."""


UNUSUAL = (RunbookError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
"""What reading something unusual may raise."""


def run_of_journal(data: bytes) -> Payload:
    """Return a journal's run, as `RunRecord` in JSON.

    Raises:
        Unusual: Or any other of `UNUSUAL`.
    """
    lines = read_lines(data)
    if lines.problem or lines.entries[0]["event"] != "run_started" or lines.entries[0]["mode"] not in MODES:
        raise Unusual("not a sound journal that begins with the start of a run")
    view = JournalView.of(lines)
    if view.status not in STATUSES:
        raise Unusual("the run has an unknown status")
    about = {
        **view.started,
        "status": view.status,
        "ended": view.ended["ended"] if view.ended else None,
        "incomplete": view.incomplete,
    }
    _require(RunRecord, about)
    return {
        **about,
        "steps": [_step(number, step) for number, step in sorted(view.steps.items())],
    }


def _require(model: type[BaseModel], values: Payload) -> None:
    """Raise unless values are those of a record, without its parts: also what no column has must be of the right type.

    Args:
        model: The record's class.
        values: With further ones that are the journal's own.
    """
    fields = model.model_fields
    own = {name: value for name, value in values.items() if name in fields and name not in _PARTS}
    model.model_validate(own)  # a ValidationError is a ValueError


def _step(number: int, step: StepEntries) -> Payload:
    if step.started["kind"] not in STEP_KINDS:
        raise Unusual("a step of an unknown kind")
    about = {"number": number, "ended": step.ended["ended"] if step.ended else None}
    _require(StepRecord, {**step.started, **about})
    return {
        **step.started,
        "number": number,
        "hosts": [_host(name, host) for name, host in step.hosts.items()],
    }


def _host(name: str, host: HostEntries) -> Payload:
    for command in host.commands.values():
        _require(CommandRecord, command)
    commands = [
        command if "ended" in command else defaults.COMMAND | command
        for _, command in sorted(host.commands.items())
    ]
    if host.ended is None:
        return {**defaults.HOST, "host": name, "message": NO_HOST_END, "commands": commands}
    if host.ended["status"] not in STATUSES:
        raise Unusual("a host has an unknown status")
    _require(HostRecord, {**host.ended, "kind": host.ended["host_kind"]})
    return {
        **host.ended,
        "host": name,
        "kind": host.ended["host_kind"],
        "checks": defaults.complete_checks(host.ended["checks"]),
        "commands": commands + host.ended["planned"],
    }
