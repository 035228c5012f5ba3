"""A run as its journal tells it, as plain data: quick to make, and to hold against a notebook's records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runbook_lib.attestation.statement import Trial
from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.audit.verify.journal_chain import Entry

__all__ = ["Told", "tell"]

# What a line has for the journal's own sake; the rest is the record's.
_OWN = ("n", "time", "event", "step", "host", "command", "previous", "seal")
_HOST_OWN = ("n", "time", "event", "step", "previous", "seal", "host_kind", "commands", "planned")


@dataclass
class Told:
    """A run's lines, in order of what they are about.

    Args:
        opened: The line of the run's start; empty where there is none.
        ended: The line of its end, where that is the last one and the chain up to it is whole.
        steps: By number: the line of its start, then of its end.
        hosts: By step and host: commands as records, and the line of its end.
    """

    opened: Entry = field(default_factory=dict)
    ended: Entry | None = None
    steps: dict[int, list[Entry]] = field(default_factory=dict)
    commands: dict[tuple[int, str], dict[int, Entry]] = field(default_factory=dict)
    hosts: dict[tuple[int, str], Entry] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """The run's status; without its end it is unknown."""
        return str(self.ended["status"]) if self.ended else Status.UNKNOWN

    def tests(self) -> Iterator[Trial]:
        """Yield each step on each host; what has no end is unknown."""
        for number, (started, *_) in sorted(self.steps.items()):
            for host in started["hosts"]:
                ended = self.hosts.get((number, host))
                yield Trial(number, started["title"], host, ended["status"] if ended else Status.UNKNOWN)

    def step(self, number: int) -> Entry:
        """Return the record of a step as a notebook would hold it."""
        started, *rest = self.steps[number]
        return {
            "schema_version": SCHEMA_VERSION,
            "run": self.opened.get("run"),
            "number": number,
            "title": started["title"],
            "kind": started["kind"],
            "started": started["started"],
            "ended": rest[-1]["ended"] if rest else None,
            "hosts": [self.host(number, name) for name in started["hosts"]],
        }

    def host(self, number: int, name: str) -> Entry:
        """Return the record of a step on a host as a notebook would hold it."""
        commands = self.commands.get((number, name), {})
        ended = self.hosts.get((number, name), {})
        record = {key: value for key, value in ended.items() if key not in _HOST_OWN}
        record["kind"] = ended.get("host_kind")
        record["commands"] = [commands[key] for key in sorted(commands)] + ended.get("planned", [])
        return record

    def streams(self) -> Iterator[tuple[int, str, int, Entry]]:
        """Yield each output that a record does not hold whole: step, host, command, and its record."""
        for (step, host), commands in self.commands.items():
            for number, command in commands.items():
                for name in ("stdout", "stderr"):
                    stream = command.get(name)
                    if stream and not stream["complete"]:
                        yield step, host, number, stream


def tell(entries: list[Entry], *, whole: bool) -> Told:
    """Put a journal's sound entries together.

    Args:
        entries: In order.
        whole: Nothing is wrong with the chain.
    """
    told = Told()
    for entry in entries:
        event = entry["event"]
        if event in {"command_started", "command_ended"}:
            record = entry.copy()
            for name in _OWN:
                record.pop(name, None)  # a journal from before there were seals has none
            place = told.commands.setdefault((entry["step"], entry["host"]), {})
            number = entry["command"]
            if event == "command_started":
                record["number"] = number
                place[number] = record
            else:
                place[number].update(record)
        elif event == "host_ended":
            told.hosts[entry["step"], entry["host"]] = entry
        elif event in {"step_started", "step_ended"}:
            told.steps.setdefault(entry["step"], []).append(entry)
        elif event == "run_started" and not told.opened:
            told.opened = entry
    if whole and entries and entries[-1]["event"] == "run_ended":
        told.ended = entries[-1]
    return told
