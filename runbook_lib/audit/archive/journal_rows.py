"""Read a sound journal straight into rows.

Only the usual case is dealt with here, at speed; whatever is unusual is left to `journal.reader`, which says
what is wrong. Both give the same rows.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import orjson

from runbook_lib.evidence.chain import FIRST, chain, is_sealed
from runbook_lib.model.status import Mode, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.audit.archive.arrow_rows import Rows

__all__ = ["KINDS", "MODES", "STATUSES", "UNUSUAL", "Unusual", "rows_of_journal"]

Entry = dict[str, Any]

STATUSES = frozenset(status.value for status in Status)
MODES = frozenset(mode.value for mode in Mode)
KINDS = frozenset({"operation", "facts", "shell"})
_NO_END = "the journal has no end-of-run line"
_NEVER_ENDED = {
    "address": "",
    "kind": "",
    "operation": "",
    "status": Status.UNKNOWN.value,
    "message": "its end was never told",
    "attempt": 1,
    "started": None,
    "ended": None,
    "changes": [],
    "checks": [],
    "facts": {},
}
_STREAM = {"head": "", "tail": "", "size": 0, "sha256": "", "complete": True}
_NOT_ENDED = {
    "ended": None,
    "exit_code": None,
    "accepted": False,
    "problem": "",
    "stdout": _STREAM,
    "stderr": _STREAM,
}


class Unusual(ValueError):  # noqa: N818 - it may still be sound
    """Not what a run of ours writes when all goes well: to be read by the reader that can tell what it is."""


UNUSUAL = (Unusual, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
"""What reading something unusual may raise."""


def rows_of_journal(rows: Rows, source: int, data: bytes) -> str:
    """Add a journal's run to the rows.

    Args:
        rows: Where to.
        source: The number of the file.
        data: The journal.

    Returns:
        The run's id.

    Raises:
        Unusual: Or any other of `UNUSUAL`; the rows may then be left half filled.
    """
    lines = _sound(data)
    first = next(lines)
    if first["event"] != "run_started" or first["mode"] not in MODES:
        raise Unusual("it does not begin with the start of a run")
    run: str = first["run"]
    steps: dict[int, Entry] = {}
    last = first
    for entry in lines:
        last = entry
        _take(steps, entry)
    ended = last["event"] == "run_ended"
    if ended and last["status"] not in STATUSES:
        raise Unusual("its status is none")
    rows.run(
        source,
        first
        | {
            "status": last["status"] if ended else Status.UNKNOWN.value,
            "ended": last["ended"] if ended else None,
            "steps": len(steps),
            "incomplete": "" if ended else _NO_END,
        },
    )
    for number, step in sorted(steps.items()):
        for host, (commands, told) in step["of_host"].items():
            _host(rows, (source, run, number, host), step, commands, told)
    return run


def _sound(data: bytes) -> Iterator[Entry]:
    """Yield the entries while each line follows from the one before and its seal holds."""
    previous, sealed = FIRST, False
    for number, whole in enumerate(BytesIO(data), start=1):
        line = whole[:-1]
        if whole[-1:] != b"\n":
            raise Unusual("cut off")
        entry = orjson.loads(line)
        if entry["n"] != number or entry["previous"] != previous:
            raise Unusual("it does not follow from the line before it")
        sealed = sealed or "seal" in entry
        if sealed and not is_sealed(line):
            raise Unusual("altered")
        previous = chain(line)
        yield entry
    if not data:
        raise Unusual("empty")


def _take(steps: dict[int, Entry], entry: Entry) -> None:
    event = entry["event"]
    if event == "command_started":
        commands = steps[entry["step"]]["of_host"][entry["host"]][0]
        if entry["command"] in commands:
            raise Unusual("a command's number is there twice")
        commands[entry["command"]] = entry
    elif event == "command_ended":
        steps[entry["step"]]["of_host"][entry["host"]][0][entry["command"]] |= entry
    elif event == "host_ended":
        steps[entry["step"]]["of_host"][entry["host"]][1] = entry
    elif event == "step_started":
        if entry["kind"] not in KINDS or entry["step"] in steps:
            raise Unusual("a step of no known kind, or told twice")
        steps[entry["step"]] = {**entry, "of_host": {name: [{}, None] for name in entry["hosts"]}}


def _host(
    rows: Rows, place: tuple[int, str, int, str], step: Entry, sent: dict[int, Entry], told: Entry | None
) -> None:
    commands = []
    for number, command in sorted(sent.items()):
        command["number"] = number
        commands.append(command if "ended" in command else command | _NOT_ENDED)
    if told is None:
        rows.host(place, step, _NEVER_ENDED, commands)
        return
    if told["status"] not in STATUSES:
        raise Unusual("its status is none")
    told["kind"] = told["host_kind"]
    rows.host(place, step, told, commands + told["planned"])
