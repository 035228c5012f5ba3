"""The outcome of runs in sentences that a newcomer understands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.model.skipped_steps import count_steps, describe_skipped, enumerate_words
from runbook_lib.model.status import BAD, SYMBOLS, Mode, Status, worst
from runbook_lib.readable_time import utc_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runbook_lib.model.records import HostRecord, RunRecord, StepRecord

__all__ = [
    "MEANINGS",
    "Outcome",
    "counted",
    "first_line",
    "moment",
    "outcome_of_run",
    "outcome_of_runs",
    "own_reason",
    "problems",
    "seconds",
]

MEANINGS = {
    Status.OK: "already in the desired state, or read without problems",
    Status.CHANGED: "brought to the desired state; the checks passed",
    Status.PLANNED: "would be changed; nothing that changes the host was sent",
    Status.SKIPPED: "not attempted; the message says why",
    Status.FAILED: "a command or a check failed",
    Status.UNREACHABLE: "the host could not be reached",
    Status.INTERRUPTED: "stopped before it completed",
    Status.UNKNOWN: "the evidence does not show how it ended; never a success",
}
"""What each outcome of a step on a host means."""

_MODES = {
    Mode.PLAN: "planned for",
    Mode.APPLY: "applied to",
    Mode.VALIDATE: "validated (read only) on",
}


_HAPPENED = {
    Status.FAILED: "failed on",
    Status.UNREACHABLE: "could not reach",
    Status.INTERRUPTED: "was interrupted on",
    Status.UNKNOWN: "has no recorded outcome on",
}
_TALLY = {
    Status.OK: "made no changes (ok)",
    Status.CHANGED: "made changes (changed)",
    Status.PLANNED: "planned changes (planned)",
    Status.SKIPPED: "skipped every step (skipped)",
}
_HEADLINES = {Status.PLANNED: "Plan only", Status.SKIPPED: "Nothing was done"}


@dataclass(frozen=True)
class Outcome:
    """The outcome of one run or of several.

    Args:
        status: The deciding status.
        headline: A few words.
        sentence: What the status means here.
        circumstances: What ran, on which hosts, who started it, when, and how long it took.
    """

    status: Status
    headline: str
    sentence: str
    circumstances: str

    @property
    def sign(self) -> str:
        """The symbol of the headline; a run that made its changes is a success like one that had none to make."""
        return SYMBOLS[Status.OK if self.status is Status.CHANGED else self.status]


def outcome_of_run(run: RunRecord) -> Outcome:
    """Return the outcome of one run."""
    headline, sentence = _VERDICTS[run.status](run)
    return Outcome(run.status, headline, sentence, _circumstances(run))


def outcome_of_runs(runs: Sequence[RunRecord]) -> Outcome:
    """Return the outcome of several runs taken together; for a single run, that run's own."""
    if len(runs) == 1:
        return outcome_of_run(runs[0])
    status = worst([run.status for run in runs])
    bad = [run for run in runs if run.status in BAD]
    if not runs:
        return Outcome(status, "Nothing ran", "There are no runs to report on.", "")
    if bad:
        headline = f"{len(bad)} of {len(runs)} runs did not succeed"
        sentence = "; ".join(f"{run.runbook} is {run.status}" for run in bad) + "."
    else:
        skipped = _skipped_in_runs(runs)
        headline = _HEADLINES.get(status, _success(in_part=bool(skipped)))
        sentence = f"{len(runs)} runs completed: {_tally(runs)}.{_scripts(*runs)}{skipped}"
    return Outcome(status, headline, sentence, _circumstances_of_all(runs))


def problems(run: RunRecord) -> list[tuple[StepRecord, HostRecord]]:
    """Return each step on a host that needs attention, in the order in which they ran."""
    return [(step, host) for step in run.steps for host in step.hosts if host.status in BAD]


def own_reason(run: RunRecord) -> str:
    """Return why a run did not succeed apart from its steps, such as a cell that raised; empty without a reason."""
    return run.message if run.status in BAD else ""


def first_line(text: str) -> str:
    """Return the first line of a message, for lists."""
    return text.partition("\n")[0]


def counted(number: int, noun: str) -> str:
    """Return `1 step`, `2 steps`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def moment(time: datetime | None) -> str:
    """Return a time as text, in UTC."""
    return utc_time(time) if time else "not recorded"


def seconds(value: float | None) -> str:
    """Return a duration as text.

    Args:
        value: Seconds; None if the end was not recorded.

    >>> seconds(0.25), seconds(2.52), seconds(72), seconds(3725), seconds(-5)
    ('250 ms', '2.5 s', '1 min 12 s', '1 h 2 min', 'unknown: the clock was set back')
    """
    if value is None:
        return "unknown"
    if value < 0:
        return "unknown: the clock was set back"
    if value < 0.9995:  # noqa: PLR2004 - what is rounded to less than 1000 ms
        return f"{value * 1000:.0f} ms"
    if value < 9.95:  # noqa: PLR2004 - where a tenth of a second still matters; no `10.0 s`
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _scripts(*runs: RunRecord) -> str:
    """Return a sentence about shell scripts that were sent, in whatever mode: nobody plans or checks what they do."""
    kinds = [
        command.kind
        for run in runs
        for step in run.steps
        for host in step.hosts
        for command in host.commands
        if command.number
    ]
    number = kinds.count("shell")
    what = "was sent; what it" if number == 1 else "were sent; what they"
    return f" {counted(number, 'shell script')} {what} changed is not known." if number else ""


def _skipped_in_runs(runs: Sequence[RunRecord]) -> str:
    """Return a sentence about steps that were skipped in some of several runs; empty if none was."""
    found = [
        f"{run.runbook} ({skipped} of {len(run.steps)})"
        for run in runs
        if (skipped := count_steps(run.steps, Status.SKIPPED))
    ]
    return f" Steps were skipped in {counted(len(found), 'run')}: {', '.join(found)}." if found else ""


def _success(*, in_part: bool) -> str:
    return "Success, in part" if in_part else "Success"


def _checks_passed(run: RunRecord, nothing: str = "") -> tuple[str, str]:
    """Return headline and sentence of a success; what was skipped was not checked, and may be the run's purpose.

    Args:
        run: The run.
        nothing: What the run did not do; not claimed if a shell script was sent.
    """
    skipped, scripts = describe_skipped(run.steps), _scripts(run)
    if skipped:
        return _success(in_part=True), f"{_sentence(skipped)} All other checks passed.{scripts}"
    claim = "" if scripts or not nothing else f"; {nothing}"
    return _success(in_part=False), f"Every check passed{claim}.{scripts}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _ok(run: RunRecord) -> tuple[str, str]:
    if run.mode is Mode.VALIDATE:
        return _checks_passed(run, "nothing was changed")
    if run.mode is Mode.APPLY:
        return _checks_passed(run, "no changes were needed")
    skipped, scripts = describe_skipped(run.steps), _scripts(run)
    if skipped:
        return "Plan only", f"{_sentence(skipped)} All other checks pass already.{scripts}"
    claim = "Every check passes already." if scripts else "No changes are needed: every check passes already."
    return "Plan only", claim + scripts


def _changed(run: RunRecord) -> tuple[str, str]:
    hosts = [host.host for step in run.steps for host in step.hosts if host.status is Status.CHANGED]
    steps = count_steps(run.steps, Status.CHANGED)
    where = enumerate_words([*dict.fromkeys(hosts)])
    changes = f"{steps} of {counted(len(run.steps), 'step')} made changes, on {where}."
    headline, sentence = _checks_passed(run)
    return headline, f"{changes} {sentence}"


def _planned(run: RunRecord) -> tuple[str, str]:
    commands = [command for step in run.steps for host in step.hosts for command in host.commands]
    number = sum(command.number == 0 for command in commands)
    scripts = _scripts(run)
    nothing = "" if scripts else "Nothing was changed. "
    verb = "is" if number == 1 else "are"
    # Not what apply will send: it plans each step again, after those before it have changed the host.
    planned = (
        f"{counted(number, 'command')} {verb} planned; mode apply plans each step again when it comes to it."
    )
    skipped = describe_skipped(run.steps)
    return "Plan only", f"{nothing}{planned}{scripts}{f' {_sentence(skipped)}' if skipped else ''}"


def _skipped(run: RunRecord) -> tuple[str, str]:
    reasons = {first_line(host.message) for step in run.steps for host in step.hosts if host.message}
    return (
        "Nothing was done",
        f"Every step was skipped: {'; '.join(sorted(reasons)) or 'no reason was recorded'}.",
    )


def _failed(run: RunRecord) -> tuple[str, str]:
    return "Failed", _first_problem(run)


def _unreachable(run: RunRecord) -> tuple[str, str]:
    return "Host unreachable", _first_problem(run)


def _interrupted(run: RunRecord) -> tuple[str, str]:
    again = f". `runbook run --resume {run.run}` continues it" if run.mode is Mode.APPLY else ""
    stopped = "The run was stopped before it completed, and no further step was begun."
    return "Interrupted", f"{stopped} {_first_problem(run).removesuffix('.')}{again}."


def _unknown(run: RunRecord) -> tuple[str, str]:
    why = run.incomplete or first_line(own_reason(run)) or "no step recorded how it ended"
    last = f" The last step started was {run.steps[-1].number} “{run.steps[-1].title}”." if run.steps else ""
    return "Not proven", f"The evidence is incomplete: {why}. Do not treat the run as a success.{last}"


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


def _first_problem(run: RunRecord) -> str:
    found = problems(run)
    if not found:
        return first_line(own_reason(run)) or "No reason was recorded."
    step, host = found[0]
    more = f" (and {counted(len(found) - 1, 'more problem')})" if len(found) > 1 else ""
    why = first_line(host.message).removeprefix(f"{host.host}: ") or "no reason was recorded"
    return f"Step {step.number} “{step.title}” {_HAPPENED[host.status]} {host.host}: {why}{more}"


def _circumstances(run: RunRecord) -> str:
    duration = (run.ended - run.started).total_seconds() if run.ended else None
    took = (
        "the clock was set back during the run"
        if duration and duration < 0
        else f"the run took {seconds(duration)}"
    )
    ended = took if run.ended else "the end of the run was not recorded"
    title = f" “{run.title}”" if run.title else ""
    what = f"Runbook {run.runbook}{title} was {_MODES[run.mode]} {_enumerate(run.hosts)}{_practice([run])}"
    resumed = f" The run resumes {run.resumes}." if run.resumes else ""
    return f"{what} by {run.operator} from {run.machine} on {moment(run.started)}; {ended}.{resumed}"


def _circumstances_of_all(runs: Sequence[RunRecord]) -> str:
    hosts = list(dict.fromkeys(host for run in runs for host in run.hosts))
    operators = list(dict.fromkeys(f"{run.operator} from {run.machine}" for run in runs))
    ends = [run.ended for run in runs if run.ended]
    started = min(run.started for run in runs)
    complete = len(ends) == len(runs)
    ended = f", until {moment(max(ends))}" if complete else "; the end of some runs was not recorded"
    return (
        f"{counted(len(runs), 'run')} on {_enumerate(hosts)}{_practice(runs)} by {_enumerate(operators)}, "
        f"from {moment(started)}{ended}."
    )


def _practice(runs: Sequence[RunRecord]) -> str:
    labs = sorted({run.lab for run in runs if run.lab})
    if not labs:
        return ""
    only = "practice hosts" if all(run.lab for run in runs) else "some are practice hosts"
    return f" ({only}: lab {_enumerate(labs)})"


def _tally(runs: Sequence[RunRecord]) -> str:
    numbers = Counter(
        "succeeded (ok)" if run.status is Status.OK and _scripts(run) else _TALLY.get(run.status, run.status)
        for run in runs
    )
    return ", ".join(f"{number} {text}" for text, number in numbers.items())


def _enumerate(names: Sequence[str]) -> str:
    return enumerate_words(names) or "no host"
