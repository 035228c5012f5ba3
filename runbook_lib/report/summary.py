"""The outcome of runs in sentences that a newcomer understands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.model.status import SYMBOLS, Mode, Status, worst

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runbook_lib.model.records import HostRecord, RunRecord, StepRecord

__all__ = [
    "BAD",
    "MEANINGS",
    "Outcome",
    "counted",
    "first_line",
    "moment",
    "outcome_of_run",
    "outcome_of_runs",
    "seconds",
    "troubles",
]

BAD = frozenset({Status.FAILED, Status.UNREACHABLE, Status.INTERRUPTED, Status.UNKNOWN})
"""Outcomes that somebody has to look at."""

MEANINGS = {
    Status.OK: "it was right already, or looking at it went well",
    Status.CHANGED: "it was put right, and the checks hold",
    Status.PLANNED: "it would be changed; nothing was sent",
    Status.SKIPPED: "not tried",
    Status.FAILED: "a command or a check failed",
    Status.UNREACHABLE: "the host could not be reached",
    Status.INTERRUPTED: "stopped before its end",
    Status.UNKNOWN: "the record does not prove how it ended; never a success",
}
"""What each outcome of a step on a host means."""

_MODES = {
    Mode.PLAN: "planned for",
    Mode.APPLY: "applied to",
    Mode.VALIDATE: "validated (looked at only) on",
}


_HAPPENED = {
    Status.FAILED: "failed on",
    Status.UNREACHABLE: "could not reach",
    Status.INTERRUPTED: "was interrupted on",
    Status.UNKNOWN: "has no known end on",
}
_FOUND = {
    Status.OK: "found everything right already (ok)",
    Status.CHANGED: "put right what was missing (changed)",
    Status.PLANNED: "told what would be changed (planned)",
    Status.SKIPPED: "had nothing to do (skipped)",
}
_HEADLINES = {Status.PLANNED: "A plan only", Status.SKIPPED: "Nothing was done"}


@dataclass(frozen=True)
class Outcome:
    """What came out.

    Args:
        status: The deciding status.
        headline: A few words.
        sentence: What that means here.
        circumstances: What ran, where, by whom, when and how long.
    """

    status: Status
    headline: str
    sentence: str
    circumstances: str

    @property
    def sign(self) -> str:
        """The sign of the headline: what was changed well is well."""
        return SYMBOLS[Status.OK if self.status is Status.CHANGED else self.status]


def outcome_of_run(run: RunRecord) -> Outcome:
    """Tell the outcome of one run."""
    headline, sentence = _VERDICTS[run.status](run)
    return Outcome(run.status, headline, sentence, _circumstances(run))


def outcome_of_runs(runs: Sequence[RunRecord]) -> Outcome:
    """Tell the outcome of a page's runs in one; of a single run it is that run's own."""
    if len(runs) == 1:
        return outcome_of_run(runs[0])
    status = worst([run.status for run in runs])
    bad = [run for run in runs if run.status in BAD]
    if not runs:
        return Outcome(status, "Nothing ran", "There is no run to tell of.", "")
    if bad:
        headline = f"{len(bad)} of {len(runs)} runs did not end well"
        sentence = "; ".join(f"{run.runbook} is {run.status}" for run in bad) + "."
    else:
        headline = _HEADLINES.get(status, "All well")
        sentence = f"{len(runs)} runs came to their end: {_tally(runs)}."
    return Outcome(status, headline, sentence, _circumstances_of_all(runs))


def troubles(run: RunRecord) -> list[tuple[StepRecord, HostRecord]]:
    """Return the steps on hosts that somebody has to look at, in the order they ran."""
    return [(step, host) for step in run.steps for host in step.hosts if host.status in BAD]


def first_line(text: str) -> str:
    """Return the first line of a message, for lists."""
    return text.partition("\n")[0]


def counted(number: int, noun: str) -> str:
    """Return `1 step`, `2 steps`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def moment(time: datetime | None) -> str:
    """Return a time for readers, in UTC; nothing when it was never told."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC") if time else "never told"


def seconds(value: float | None) -> str:
    """Return a duration for readers.

    Args:
        value: Seconds; None when the end was never told.

    >>> seconds(0.25), seconds(2.52), seconds(72), seconds(3725)
    ('250 ms', '2.5 s', '1 min 12 s', '1 h 2 min')
    """
    if value is None:
        return "unknown"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 10:  # noqa: PLR2004 - where a tenth of a second still matters
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _ok(run: RunRecord) -> tuple[str, str]:
    if run.mode is Mode.PLAN:
        return "A plan only", "Nothing would have to be changed: every check holds already."
    if run.mode is Mode.VALIDATE:
        return "All well", "Every check holds; nothing was changed."
    return "All well", "Every check holds; nothing had to be changed."


def _changed(run: RunRecord) -> tuple[str, str]:
    places = sum(host.status is Status.CHANGED for step in run.steps for host in step.hosts)
    return "All well", f"What was missing was put right in {counted(places, 'place')}, and every check holds."


def _planned(run: RunRecord) -> tuple[str, str]:
    commands = [command for step in run.steps for host in step.hosts for command in host.commands]
    number = sum(command.number == 0 for command in commands)
    return "A plan only", f"Nothing was changed. Applied, it would send {counted(number, 'command')}."


def _skipped(run: RunRecord) -> tuple[str, str]:
    reasons = {first_line(host.message) for step in run.steps for host in step.hosts if host.message}
    return (
        "Nothing was done",
        f"Every step was skipped: {'; '.join(sorted(reasons)) or 'no reason was told'}.",
    )


def _failed(run: RunRecord) -> tuple[str, str]:
    return "Failed", _first_trouble(run)


def _unreachable(run: RunRecord) -> tuple[str, str]:
    return "A host was not reached", _first_trouble(run)


def _interrupted(run: RunRecord) -> tuple[str, str]:
    return "Interrupted", f"It was stopped before its end. {_first_trouble(run)}"


def _unknown(run: RunRecord) -> tuple[str, str]:
    why = run.incomplete or "no step said how it ended"
    last = f" The last step begun was {run.steps[-1].number} “{run.steps[-1].title}”." if run.steps else ""
    return "Not proven", f"The evidence is incomplete: {why}. It must not be taken for a success.{last}"


_VERDICTS = {
    Status.OK: _ok,
    Status.CHANGED: _changed,
    Status.PLANNED: _planned,
    Status.SKIPPED: _skipped,
    Status.FAILED: _failed,
    Status.UNREACHABLE: _unreachable,
    Status.INTERRUPTED: _interrupted,
    Status.UNKNOWN: _unknown,
}


def _first_trouble(run: RunRecord) -> str:
    found = troubles(run)
    if not found:
        return "No step tells why."
    step, host = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    why = first_line(host.message).removeprefix(f"{host.host}: ") or "no reason was told"
    return f"Step {step.number} “{step.title}” {_HAPPENED[host.status]} {host.host}: {why}{more}"


def _circumstances(run: RunRecord) -> str:
    took = (run.ended - run.started).total_seconds() if run.ended else None
    lasted = f"it took {seconds(took)}" if run.ended else "when it ended was never told"
    title = f" “{run.title}”" if run.title else ""
    what = f"Runbook {run.runbook}{title} was {_MODES[run.mode]} {_and(run.hosts)}{_practice([run])}"
    on = f" It goes on with {run.resumes}." if run.resumes else ""
    return f"{what} by {run.operator} from {run.machine} on {moment(run.started)}; {lasted}.{on}"


def _circumstances_of_all(runs: Sequence[RunRecord]) -> str:
    hosts = list(dict.fromkeys(host for run in runs for host in run.hosts))
    operators = list(dict.fromkeys(f"{run.operator} from {run.machine}" for run in runs))
    ends = [run.ended for run in runs]
    began = min(run.started for run in runs)
    told = [end for end in ends if end]
    lasted = f", until {moment(max(told))}" if len(told) == len(ends) else "; when all ended was never told"
    return (
        f"{counted(len(runs), 'run')} on {_and(hosts)}{_practice(runs)} by {_and(operators)}, "
        f"from {moment(began)}{lasted}."
    )


def _practice(runs: Sequence[RunRecord]) -> str:
    labs = sorted({run.lab for run in runs if run.lab})
    if not labs:
        return ""
    only = "practice hosts" if all(run.lab for run in runs) else "in part practice hosts"
    return f" ({only}: lab {_and(labs)})"


def _tally(runs: Sequence[RunRecord]) -> str:
    numbers = Counter(run.status for run in runs)
    return ", ".join(f"{number} {_FOUND.get(status, status)}" for status, number in numbers.items())


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "no host"
