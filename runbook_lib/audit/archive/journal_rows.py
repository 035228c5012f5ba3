"""Turn a sound journal straight into what its rows are made from: the run's record as JSON.

Making the validated record and its rows would say the same, but take several times as long. So only the
usual case is handled here; anything unusual is left to `evidence.reader.build_record`, which says what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ConfigDict, create_model

from runbook_lib.audit.archive import defaults
from runbook_lib.errors import RunbookError
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.journal_view import JournalView
from runbook_lib.evidence.reader import NO_HOST_END
from runbook_lib.model.kinds import StepKind
from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord, StepRecord
from runbook_lib.model.status import Mode, Status

if TYPE_CHECKING:
    from runbook_lib.evidence.journal_view import HostEntries, StepEntries

__all__ = ["MODES", "STATUSES", "STEP_KINDS", "UNUSUAL", "Unusual", "run_of_journal"]

Payload = dict[str, Any]

STATUSES = frozenset(status.value for status in Status)
MODES = frozenset(mode.value for mode in Mode)
STEP_KINDS = frozenset(get_args(StepKind))


def _own_values(model: type[BaseModel], parts: str = "") -> type[BaseModel]:
    """Return a model of a record's own values, without its parts: any further values are ignored.

    What no column has must be of the right type, too. A model for each kind, made once, takes half of the time of
    picking the values of each record for the model of the record itself.

    Args:
        model: The record's class.
        parts: The field with its parts, which are checked one by one.
    """
    fields: Any = {
        name: (field.annotation, field) for name, field in model.model_fields.items() if name != parts
    }
    made: type[BaseModel] = create_model(model.__name__, __config__=ConfigDict(extra="ignore"), **fields)
    return made


_RUN = _own_values(RunRecord, "steps")
_STEP = _own_values(StepRecord, "hosts")
_HOST = _own_values(HostRecord, "commands")
_COMMAND = _own_values(CommandRecord)


class Unusual(ValueError):  # noqa: N818 - it may still be sound
    """Not what a run writes when all goes well: left to the reader that can say what it is."""


UNUSUAL = (
    RunbookError,
    ArithmeticError,  # an infinite number, where a whole one is expected
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    RecursionError,
)
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
        "exposed_secrets": str(view.exposed),
    }
    _RUN.model_validate(about)  # a ValidationError is a ValueError
    return {
        **about,
        "steps": [_step(number, step) for number, step in sorted(view.steps.items())],
    }


def _step(number: int, step: StepEntries) -> Payload:
    if step.started["kind"] not in STEP_KINDS:
        raise Unusual("a step of an unknown kind")
    about = {"number": number, "ended": step.ended["ended"] if step.ended else None}
    _STEP.model_validate({**step.started, **about})
    return {
        **step.started,
        "number": number,
        "hosts": [_host(name, host) for name, host in step.hosts.items()],
    }


def _host(name: str, host: HostEntries) -> Payload:
    for command in host.commands.values():
        _COMMAND.model_validate(command)
    commands = [
        command if "ended" in command else defaults.COMMAND | command
        for _, command in sorted(host.commands.items())
    ]
    if host.ended is None:
        return {**defaults.HOST, "host": name, "message": NO_HOST_END, "commands": commands}
    if host.ended["status"] not in STATUSES:
        raise Unusual("a host has an unknown status")
    _HOST.model_validate({**host.ended, "kind": host.ended["host_kind"]})
    return {
        **host.ended,
        "host": name,
        "kind": host.ended["host_kind"],
        "checks": defaults.complete_checks(host.ended["checks"]),
        "commands": commands + host.ended["planned"],
    }
