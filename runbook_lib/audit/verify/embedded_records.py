"""Compare the records that a notebook embeds with the run's journal."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from runbook_lib.evidence.notebook_records import EmbeddedRecords
from runbook_lib.model.records import HostRecord
from runbook_lib.secrets import has_reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runbook_lib.audit.verify.findings import Findings
    from runbook_lib.evidence.chain import JournalEntry
    from runbook_lib.evidence.journal_view import JournalView
    from runbook_lib.evidence.notebook import Notebook

__all__ = ["check_output_hashes", "compare_records", "same_value"]

Data = dict[str, Any]

_HAS_REFERENCE = (
    "the output has a reference where a secret was recorded in plain text before the run knew that it is one: its "
    "SHA-256 cannot be compared; the run's journal has the value: rotate the secret"
)
_LONGEST = 120  # characters of a value in a message
_UNKNOWN_AT_START = {"event", "status", "ended", "message", "incomplete"}


def compare_records(notebook: Notebook, journal: JournalView, findings: Findings) -> None:
    """Add each difference between a notebook's records of a run and the run's journal.

    A copy that was made before the run had ended, by hand, lacks what was not yet saved: that is expected.
    """
    run = journal.started.get("run", "")
    embedded = EmbeddedRecords.of(notebook).of_run(run)
    lacks = findings.note if journal.copied else findings.missing
    if not embedded.starts:
        lacks(f"no record of the start of run {run}")
    for record in embedded.starts:
        _compare_start(notebook.name, record, journal.started, findings)
    compared: set[Any] = set()
    for record in embedded.steps:
        number = record.get("number")
        if number in compared:
            findings.altered("more than one record of this step", where=f"{notebook.name} step {number}")
        else:
            _compare_step(f"{notebook.name} step {number}", record, journal, findings)
        compared.add(number)
    for number in sorted(journal.steps.keys() - compared):
        lacks(f"no record of step {number}, which is in the journal")
    if journal.ended and not embedded.ends:
        lacks("no record of the end of the run, which is in the journal")
    elif journal.ended:
        _compare_end(notebook.name, embedded.ends, journal.ended, findings)
    elif embedded.ends:
        findings.missing("the notebook records the end of the run, the journal does not")


def check_output_hashes(steps: Iterable[Data], findings: Findings) -> None:
    """Add each complete output in a notebook's records that does not match its own SHA-256."""
    for step in steps:
        for host in step["hosts"]:
            for command in host["commands"]:
                for name in ("stdout", "stderr"):
                    stream = command[name]
                    complete = stream["complete"] and stream["sha256"]
                    if (
                        not complete
                        or hashlib.sha256(stream["head"].encode()).hexdigest() == stream["sha256"]
                    ):
                        continue
                    where = f"step {step['number']} {host['host']} command {command['number']} {name}"
                    if has_reference(stream["head"]):
                        # Its secret became known after the hash: a copy of the notebook has the reference instead.
                        findings.warning(_HAS_REFERENCE, where=where)
                    else:
                        findings.altered("the output does not match its SHA-256", where=where)


def _compare_start(where: str, record: Data, entry: JournalEntry, findings: Findings) -> None:
    for key, value in record.items():
        if key not in _UNKNOWN_AT_START and value != entry.get(key):
            _differs(f"{where} start of the run: {key}", value, entry.get(key), findings)


def _compare_end(where: str, ends: list[Data], entry: JournalEntry, findings: Findings) -> None:
    record = ends[-1]
    keys = ["status", "ended"]
    # Neither the first notebooks nor the first journals had these.
    keys += [key for key in ("steps",) if key in record]
    keys += [key for key in ("message",) if key in record and key in entry]
    for key in keys:
        if not same_value(record.get(key), entry.get(key)):
            _differs(f"{where} end of the run: {key}", record.get(key), entry.get(key), findings)


def _compare_step(where: str, record: Data, journal: JournalView, findings: Findings) -> None:
    step = journal.steps.get(record["number"])
    if step is None or step.ended is None:
        if journal.ended:
            findings.altered("the journal has no such step", where=where)
        else:
            findings.missing("the journal is cut off before the end of this step", where=where)
        return
    expected = journal.step_record(record["number"])
    if record == expected:
        return
    for key in ("title", "kind", "started", "ended"):
        if not same_value(record.get(key), expected[key]):
            _differs(f"{where}: {key}", record.get(key), expected[key], findings)
    names = [host.get("host") for host in record["hosts"]]
    expected_names = [host.get("host") for host in expected["hosts"]]
    if names != expected_names:
        _differs(f"{where}: hosts", names, expected_names, findings)
        return
    for host, expected_host in zip(record["hosts"], expected["hosts"], strict=True):
        if host != expected_host:
            _compare_host(f"{where} {host['host']}", host, expected_host, findings)


def _compare_host(where: str, record: Data, expected: Data, findings: Findings) -> None:
    """Compare as validated records: a value that one side leaves out has the record's default."""
    try:
        record, expected = (
            HostRecord.model_validate(side).model_dump(mode="json") for side in (record, expected)
        )
    except ValidationError as problem:
        reason = problem.errors()[0]["msg"]
        findings.altered(f"contains a record that cannot be interpreted: {reason}", where=where)
        return
    for path, value, expected_value in _differences(record, expected, ""):
        _differs(f"{where}: {path}", value, expected_value, findings)
        return


def _differences(one: Any, other: Any, path: str) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - JSON
    """Yield the places at which two JSON values differ."""
    if one == other:
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from _differences(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True), start=1):
            yield from _differences(left, right, f"{path} {number}")
    else:
        yield path, one, other


def same_value(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether two values are equal; a time may be written with `Z` or with `+00:00`."""
    if isinstance(one, str) and isinstance(other, str):
        return one.replace("+00:00", "Z") == other.replace("+00:00", "Z")
    return bool(one == other)


def _differs(where: str, value: object, expected: object, findings: Findings) -> None:
    findings.altered(f"the notebook has {_short(value)}, the journal {_short(expected)}", where=where)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
