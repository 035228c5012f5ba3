"""Read a journal back into records, trusting nothing that is not there."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.chain import FIRST, chain, is_sealed
from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord, StepRecord
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["JournalLines", "build_record", "read_journal", "read_lines"]

Entry = dict[str, Any]


@dataclass(frozen=True)
class JournalLines:
    """A journal's sound lines, and the first thing wrong with it, if any.

    Args:
        entries: Whole lines, in order, up to the first that is not sound.
        problem: What is wrong and at which line; empty when nothing is.
    """

    entries: list[Entry]
    problem: str = ""


def read_lines(data: bytes) -> JournalLines:
    """Split a journal's bytes into entries and follow its chain.

    A line cut off, altered, removed or moved ends the sound part; its number is told. An altered line
    breaks its own seal; one that was altered and sealed anew is told by the line after it.
    """
    entries: list[Entry] = []
    previous = FIRST
    pieces = data.split(b"\n")
    rest = pieces.pop()
    for number, line in enumerate(pieces, start=1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):  # a number too long, or nested too deeply, is no JSON of ours
            return JournalLines(entries, f"line {number} is no JSON")
        if not isinstance(entry, dict) or entry.get("n") != number or entry.get("previous") != previous:
            return JournalLines(entries, f"line {number} does not follow from the line before it")
        # Journals from before there were seals have none, from their first line on.
        if not is_sealed(line) and any("seal" in some for some in (entry, *entries[:1])):
            return JournalLines(entries, f"line {number} was altered: its seal is broken")
        entries.append(entry)
        previous = chain(line)
    return JournalLines(entries, f"line {len(entries) + 1} is cut off" if rest else "")


def read_journal(path: Path) -> RunRecord:
    """Return the run that a journal tells.

    Args:
        path: The journal, or its run directory.

    Returns:
        Status `unknown` unless the sound journal's last line is the end of the run.

    Raises:
        EvidenceError: There is no journal, or not even its first line can be read.
    """
    file = path / "journal.jsonl" if path.is_dir() else path
    try:
        data = file.read_bytes()
    except OSError as problem:
        raise EvidenceError(
            f"cannot be read: {problem.strerror}", where=str(file), hint="name a run directory"
        ) from problem
    try:
        return _read(data)
    except _NoJournal as problem:
        raise EvidenceError(f"is no runbook journal: {problem}", where=str(file)) from problem
    except (ValueError, LookupError, TypeError, AttributeError) as problem:
        raise EvidenceError(
            f"holds a line that cannot be understood: {problem}", where=str(file)
        ) from problem


class _NoJournal(Exception):  # noqa: N818 - an answer
    """Why bytes are no journal."""


@functools.lru_cache(maxsize=1)
def _read(data: bytes) -> RunRecord:
    """Return the run that a journal's bytes tell; at a run's end several ask for the same one, one after another."""
    lines = read_lines(data)
    if not lines.entries or lines.entries[0].get("event") != "run_started":
        raise _NoJournal(lines.problem or "it does not begin with the start of a run")
    return build_record(lines)


def build_record(lines: JournalLines) -> RunRecord:
    """Assemble the run's record from sound lines."""
    steps: dict[int, Entry] = {}
    for entry in lines.entries:
        take = _TAKE.get(entry["event"])
        if take:
            take(steps, entry)
    first, last = lines.entries[0], lines.entries[-1]
    ended = last["event"] == "run_ended" and not lines.problem
    missing = lines.problem or ("" if ended else "the journal has no end-of-run line")
    told = {key: value for key, value in first.items() if key in RunRecord.model_fields}
    return RunRecord.model_validate(
        {
            **told,
            "status": last["status"] if ended else Status.UNKNOWN,
            "ended": last["ended"] if ended else None,
            "message": last.get("message", "") if ended else "",
            "steps": [_step(entry) for _, entry in sorted(steps.items())],
            "incomplete": missing,
        }
    )


def _step_started(steps: dict[int, Entry], entry: Entry) -> None:
    steps[entry["step"]] = {
        **entry,
        "of_host": {name: {"commands": {}, "ended": None} for name in entry["hosts"]},
    }


def _command(steps: dict[int, Entry], entry: Entry) -> None:
    commands = steps[entry["step"]]["of_host"][entry["host"]]["commands"]
    commands[entry["command"]] = {**commands.get(entry["command"], {}), **entry}


def _host_ended(steps: dict[int, Entry], entry: Entry) -> None:
    steps[entry["step"]]["of_host"][entry["host"]]["ended"] = entry


def _step_ended(steps: dict[int, Entry], entry: Entry) -> None:
    steps[entry["step"]]["ended"] = entry["ended"]


_TAKE = {
    "step_started": _step_started,
    "command_started": _command,
    "command_ended": _command,
    "host_ended": _host_ended,
    "step_ended": _step_ended,
}


def _step(entry: Entry) -> StepRecord:
    hosts = [_host(name, told) for name, told in entry["of_host"].items()]
    return StepRecord(
        number=entry["step"],
        title=entry["title"],
        kind=entry["kind"],
        started=entry["started"],
        ended=entry.get("ended"),
        hosts=hosts,
    )


def _host(name: str, told: Entry) -> HostRecord:
    commands = [
        CommandRecord.model_validate(
            {"number": number, **{k: v for k, v in entry.items() if k in CommandRecord.model_fields}}
        )
        for number, entry in sorted(told["commands"].items())
    ]
    ended = told["ended"]
    if ended is None:
        return HostRecord(host=name, address="", kind="", message="its end was never told", commands=commands)
    values = {key: value for key, value in ended.items() if key in HostRecord.model_fields}
    planned = [CommandRecord.model_validate(command) for command in ended.get("planned", [])]
    return HostRecord.model_validate(
        {**values, "kind": ended["host_kind"], "commands": [*commands, *planned]}
    )
