"""A journal's entries put together as the run, steps, hosts and commands they belong to, as plain data.

Everything that reads a run from a journal goes through this view: the run's record, verification, the archive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.exposed_secrets import ExposedSecrets
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.evidence.schema_version import why_not_understood
from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.model.status import BAD, Status, worst

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.evidence.chain import JournalEntry, JournalLines

__all__ = ["NO_JOURNAL_END", "HostEntries", "JournalView", "StepEntries"]

NO_JOURNAL_END = "the journal has no end-of-run line"
"""What is missing from the journal of a run that is still running, or whose process was killed."""

# Values that an entry has for the journal's own sake; the others are the record's.
_NOT_OF_COMMAND = ("n", "time", "event", "step", "host", "command", "previous", "seal")
_NOT_OF_HOST = frozenset(
    {"n", "time", "event", "step", "previous", "seal", "host_kind", "commands", "planned"}
)

_GOOD_ENDS = frozenset(Status) - BAD


@dataclass(slots=True)
class HostEntries:
    """A step on one host.

    Args:
        commands: By number: the entries of the command's start and end merged, and its `number`.
        ended: The entry of the step's end on this host; None if the journal has none.
    """

    commands: dict[int, JournalEntry] = field(default_factory=dict)
    ended: JournalEntry | None = None


@dataclass(slots=True)
class StepEntries:
    """A step.

    Args:
        started: The entry of its start.
        hosts: By name, in the order of that entry.
        ended: The entry of its end; None if the journal has none.
    """

    started: JournalEntry
    hosts: dict[str, HostEntries]
    ended: JournalEntry | None = None


@dataclass(slots=True)
class JournalView:
    """A run as its journal records it, without the values of secrets that it names as exposed.

    Args:
        started: The entry of the run's start; empty if the journal has none.
        ended: The entry of its end, if that is the last line and the chain up to it is unbroken.
        steps: By number.
        connected: The hosts to which a connection was recorded.
        copied: The entry about the copy of the notebook, of a run made by hand; empty if there is none.
        problem: What is wrong with the chain; empty if nothing is.
        contradiction: Why the end of the run is not believed; empty if it is.
        exposed: Secrets that the journal, or something else of the run, has in plain text.
    """

    started: JournalEntry = field(default_factory=dict)
    ended: JournalEntry | None = None
    steps: dict[int, StepEntries] = field(default_factory=dict)
    connected: set[str] = field(default_factory=set)
    copied: JournalEntry = field(default_factory=dict)
    problem: str = ""
    contradiction: str = ""
    exposed: ExposedSecrets = field(default_factory=ExposedSecrets)

    @classmethod
    def of(cls, lines: JournalLines) -> JournalView:
        """Put the valid entries of a journal together.

        Raises:
            EvidenceError: An entry does not fit those before it, or lacks what its event needs.
        """
        view = cls(problem=lines.problem)
        number = 0
        try:
            view.exposed = ExposedSecrets.of(lines.entries)
            entries = lines.entries
            if view.exposed:
                entries = [view.exposed.mask_data(entry) for entry in entries]
            for number, entry in enumerate(entries, start=1):  # noqa: B007 - named in the error
                view._add(entry)
            last = entries[-1] if entries else {}
            if not lines.problem and last.get("event") == "run_ended":
                str(last["status"])  # an end without a status is not one
                view.ended = last
                view._compare_end()
        except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as problem:
            message = f"line {number} cannot be interpreted: {type(problem).__name__}: {problem}"
            raise EvidenceError(message[:300], where=JOURNAL) from problem
        return view

    @property
    def status(self) -> str:
        """The run's status; unknown without the entry of its end, and if that does not fit the steps or is not ours."""
        believed = self.ended and not self.contradiction and not self.not_understood
        return str(self.ended["status"]) if self.ended and believed else Status.UNKNOWN

    @property
    def not_understood(self) -> str:
        """Why this version cannot say how the run ended, although the journal may be whole; empty if it can."""
        return why_not_understood(self.started.get("schema_version"))

    @property
    def incomplete(self) -> str:
        """What is wrong with the journal or missing from it; empty if it is whole."""
        missing = self.contradiction if self.ended else NO_JOURNAL_END
        return self.problem or self.not_understood or missing

    def step_record(self, number: int) -> dict[str, Any]:
        """Return the record of a step as a notebook embeds it."""
        step = self.steps[number]
        return {
            "schema_version": SCHEMA_VERSION,
            "run": self.started.get("run"),
            "number": number,
            "title": step.started["title"],
            "kind": step.started["kind"],
            "started": step.started["started"],
            "ended": step.ended["ended"] if step.ended else None,
            "hosts": [_host_record(host) for host in step.hosts.values()],
        }

    def stored_outputs(self) -> Iterator[tuple[int, str, int, dict[str, Any]]]:
        """Yield each output that its record does not hold completely: step, host, command, and the record."""
        for number, step in self.steps.items():
            for name, host in step.hosts.items():
                for command, entry in host.commands.items():
                    for stream in (entry.get("stdout"), entry.get("stderr")):
                        if stream and not stream["complete"]:
                            yield number, name, command, stream

    def _compare_end(self) -> None:
        """Compare a good end with the steps: a run is never better than the worst of them."""
        status = str(self.ended["status"]) if self.ended else ""
        if status not in _GOOD_ENDS:
            return
        ends = [host.ended for step in self.steps.values() for host in step.hosts.values()]
        if worst([Status(end["status"]) if end else Status.UNKNOWN for end in ends]) != status:
            self.contradiction = "the end of the run does not fit its steps"

    def _add(self, entry: JournalEntry) -> None:
        event = entry["event"]
        if event == "command_started":
            number = entry["command"]
            commands = self.steps[entry["step"]].hosts[entry["host"]].commands
            commands[number] = {**entry, "number": number}
        elif event == "command_ended":
            commands = self.steps[entry["step"]].hosts[entry["host"]].commands
            commands[entry["command"]].update(entry)
        elif event == "host_ended":
            self.steps[entry["step"]].hosts[entry["host"]].ended = entry
        elif event == "step_started":
            if entry["step"] in self.steps:
                raise ValueError(f"step {entry['step']} starts a second time")
            self.steps[entry["step"]] = StepEntries(entry, {name: HostEntries() for name in entry["hosts"]})
        elif event == "step_ended":
            self.steps[entry["step"]].ended = entry
        elif event == "connected":
            self.connected.add(entry["host"])
        elif event == "notebook_copied":
            self.copied = entry
        elif event == "run_started" and not self.started:
            self.started = entry


def _host_record(host: HostEntries) -> dict[str, Any]:
    ended = host.ended or {}
    commands = []
    for _, entry in sorted(host.commands.items()):
        record = entry.copy()
        for name in _NOT_OF_COMMAND:
            record.pop(name, None)  # a journal from before there were seals has no seal
        commands.append(record)
    return {
        **{key: value for key, value in ended.items() if key not in _NOT_OF_HOST},
        "kind": ended.get("host_kind"),
        "commands": commands + ended.get("planned", []),
    }
