"""Hold the records inside a notebook against the journal's, and find where they differ."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from runbook_lib.audit.verify.verdict import Finding, Kind
from runbook_lib.evidence.layout import RUN_MIME, STEP_MIME
from runbook_lib.model.records import HostRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.audit.verify.journal_view import Told
    from runbook_lib.evidence.notebook import Notebook

__all__ = ["compare", "consistent", "records_of"]

Data = dict[str, Any]

_LONGEST = 120  # characters of a value in a message
_NOT_TOLD_AT_START = {"event", "status", "ended", "message", "incomplete"}


def records_of(notebook: Notebook, run: str) -> tuple[list[Data], list[Data], list[Data]]:
    """Return what a notebook holds of a run: its openings, its steps, its ends."""
    opened: list[Data] = []
    steps: list[Data] = []
    ended: list[Data] = []
    for bundle in notebook.bundles():
        step, told = bundle.get(STEP_MIME), bundle.get(RUN_MIME)
        # The first notebooks of ours did not say which run a step is of, nor how many steps there were.
        if step is not None and step.get("run", run) == run:
            steps.append(step)
        if told is not None and told.get("run") == run:
            (opened if told.get("event") == "opened" else ended).append(told)
    return opened, steps, ended


def compare(notebook: Notebook, told: Told) -> Iterator[Finding]:
    """Yield each difference between a notebook's records and the journal's."""
    where = notebook.name
    run = told.opened.get("run", "")
    opened, steps, ended = records_of(notebook, run)
    if not opened:
        yield _missing(where, f"no record of the start of run {run}")
    for record in opened:
        yield from _start(where, record, told)
    seen: set[Any] = set()
    for record in steps:
        number = record.get("number")
        if number in seen:
            yield _altered(f"{where} step {number}", "there is more than one record of it")
        else:
            yield from _known(f"{where} step {number}", record, told)
        seen.add(number)
    for number in sorted(told.steps.keys() - seen):
        yield _missing(where, f"no record of step {number}, which the journal tells")
    if told.ended:
        yield from _end(where, ended, told.ended)
    elif ended:
        yield _missing(where, "it tells an end of the run, and the journal does not")


def consistent(steps: list[Data]) -> Iterator[Finding]:
    """Yield each output in a notebook's records that does not fit its own sha256."""
    for step in steps:
        for host in step["hosts"]:
            for command in host["commands"]:
                for name in ("stdout", "stderr"):
                    stream = command[name]
                    whole = stream["complete"] and stream["sha256"]
                    if whole and hashlib.sha256(stream["head"].encode()).hexdigest() != stream["sha256"]:
                        place = f"step {step['number']} {host['host']} command {command['number']} {name}"
                        yield _altered(place, "the output does not fit the sha256 beside it")


def _start(where: str, record: Data, told: Told) -> Iterator[Finding]:
    for key, value in record.items():
        if key not in _NOT_TOLD_AT_START and value != told.opened.get(key):
            yield _differs(f"{where} start of the run: {key}", value, told.opened.get(key))


def _end(where: str, ended: list[Data], line: Data) -> Iterator[Finding]:
    if not ended:
        yield _missing(where, "no record of the end of the run, which the journal tells")
        return
    for key in ("status", "steps", "ended", "message"):
        # Neither the first notebooks nor the first journals told all of these.
        if (
            (key in {"status", "ended"} or key in ended[-1])
            and (key != "message" or key in line)
            and not _same(ended[-1].get(key), line.get(key))
        ):
            yield _differs(f"{where} end of the run: {key}", ended[-1].get(key), line.get(key))


def _known(where: str, record: Data, told: Told) -> Iterator[Finding]:
    """Compare a step, unless the journal is cut off before the step's end: then that is what is missing."""
    lines = told.steps.get(record["number"], [])
    if len(lines) > 1:
        yield from _step(where, record, told)
    elif told.ended:
        yield _altered(where, "the journal knows no such step")
    else:
        yield _missing(where, "the journal is cut off before the end of this step")


def _step(where: str, record: Data, told: Told) -> Iterator[Finding]:
    expected = told.step(record["number"])
    if record == expected:
        return
    for key in ("title", "kind", "started", "ended"):
        if not _same(record.get(key), expected[key]):
            yield _differs(f"{where}: {key}", record.get(key), expected[key])
    names = [host.get("host") for host in record["hosts"]]
    wanted = [host.get("host") for host in expected["hosts"]]
    if names != wanted:
        yield _differs(f"{where}: hosts", names, wanted)
        return
    for one, other in zip(record["hosts"], expected["hosts"], strict=True):
        if one != other:
            yield from _host(f"{where} {one['host']}", one, other)


def _host(where: str, one: Data, other: Data) -> Iterator[Finding]:
    """Compare as records: what one side leaves out has the record's default."""
    try:
        one, other = (HostRecord.model_validate(side).model_dump(mode="json") for side in (one, other))
    except ValidationError as problem:
        yield _altered(where, f"holds a record that cannot be understood: {problem.errors()[0]['msg']}")
        return
    first = next(_walk(one, other, ""), None)
    if first:
        yield _differs(f"{where}: {first[0]}", first[1], first[2])


def _walk(one: Any, other: Any, path: str) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - JSON
    """Yield the places at which two JSON values differ."""
    if one == other:
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from _walk(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True), start=1):
            yield from _walk(left, right, f"{path} {number}")
    else:
        yield path, one, other


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether two values are equal; a time may be written with `Z` or with `+00:00`."""
    if isinstance(one, str) and isinstance(other, str):
        return one.replace("+00:00", "Z") == other.replace("+00:00", "Z")
    return bool(one == other)


def _differs(where: str, one: object, other: object) -> Finding:
    return _altered(where, f"the notebook has {_short(one)}, the journal {_short(other)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _altered(where: str, message: str) -> Finding:
    return Finding(kind=Kind.ALTERED, part="notebook", where=where, message=message)


def _missing(where: str, message: str) -> Finding:
    return Finding(kind=Kind.MISSING, part="notebook", where=where, message=message)
