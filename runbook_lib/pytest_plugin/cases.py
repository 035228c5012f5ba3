"""A run as test cases: a path of names, a result, and the text that explains it. pytest is not imported here.

Each step has a case `status` per host, however many checks it has: how many depends on how far the step got, and
a case that `--lf` selects again must still exist.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runbook_lib.connections.shown_command import shown_command
from runbook_lib.evidence.layout import HTML_REPORT, JOURNAL
from runbook_lib.model.status import BAD, SYMBOLS, Status
from runbook_lib.printing.visible_text import for_log, visible
from runbook_lib.report.safe_text import exit_summary, stream
from runbook_lib.report.summary import first_line, outcome_of_run, problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runbook_lib.model.plans import Check
    from runbook_lib.model.records import CommandRecord, HostRecord, StepRecord
    from runbook_lib.pytest_plugin.notebook_run import NotebookRun

__all__ = ["END", "Case", "cases", "end", "end_with_others_failed"]

END = "the run ended"
"""Name of the case that fails if something went wrong outside of any step, or in a step that is not reported."""

_STATUS = "status"
_COMMANDS = 20  # commands of a step on a host that a failure shows; the report has all of them
_LINES = 20  # lines of an output that a failure shows; the report has all of them
# `[` and `::` are separators in pytest's own test ids, and so is a colon at the end of a name, before a `::`.
_COLONS = re.compile(r":(?=:)")
_PLAIN = str.maketrans({"[": "(", "]": ")", "\n": " ", "\t": " "})


@dataclass(frozen=True)
class Case:
    """One test case.

    Args:
        path: Names from the outermost: step, host, check or `status`.
        result: As pytest reports it.
        text: Why it failed or was skipped.
        seconds: Its duration in the run; None: it has no duration of its own.
    """

    path: tuple[str, ...]
    result: Literal["passed", "failed", "skipped"]
    text: str = ""
    seconds: float | None = None


def cases(run: NotebookRun) -> Iterator[Case]:
    """Yield the cases of a run; the last one is its end."""
    for step in run.record.steps if run.record else ():
        for host in step.hosts:
            yield from _host(run, step, host)
    yield end(run)


def end(run: NotebookRun) -> Case:
    """Return the case for the end of the run; steps that failed have cases of their own."""
    record = run.record
    if record is None:
        return _failed_end(run, run.problem or "no journal")
    if record.incomplete or (record.status in BAD and not problems(record)):
        outcome = outcome_of_run(record)
        return _failed_end(run, f"{record.status}: {outcome.headline}: {outcome.sentence}", run.problem)
    if run.problem and record.status not in BAD:
        return _failed_end(run, f"{record.status}, but: {run.problem}")
    if record.status is Status.SKIPPED:
        return Case((END,), "skipped", for_log(outcome_of_run(record).sentence))
    return Case((END,), "passed")


def end_with_others_failed(run: NotebookRun, others: Sequence[Case]) -> Case:
    """Return the case for the end of a run of which failed cases are not reported.

    Args:
        run: The run.
        others: These cases.
    """
    names = "\n".join(" / ".join(case.path) for case in others)
    return _failed_end(run, f"{run.status}: failed, but not among the selected tests:\n{names}")


def _failed_end(run: NotebookRun, *reasons: str) -> Case:
    return Case((END,), "failed", for_log("\n".join(filter(None, (*reasons, _evidence(run))))))


def _host(run: NotebookRun, step: StepRecord, host: HostRecord) -> Iterator[Case]:
    place = (_name(f"step {step.number} {step.title}"), _name(host.host))
    seconds = (host.ended - host.started).total_seconds() if host.started and host.ended else None
    if host.status is Status.SKIPPED:
        reason = " ".join(host.message.split()) or "no reason given"
        yield Case((*place, _STATUS), "skipped", for_log(reason), seconds)
        return
    good = host.status not in BAD
    text = "" if good else _card(run, step, host)
    yield Case((*place, _STATUS), "passed" if good else "failed", text, seconds)
    for name, check in zip(_distinct([check.name for check in host.checks]), host.checks, strict=True):
        text = "" if check.holds else _failed_check(run, step, host, check)
        yield Case((*place, name), "passed" if check.holds else "failed", text)


def _name(text: str) -> str:
    """Return a text as one part of a test id."""
    shown = _COLONS.sub(": ", visible(text.translate(_PLAIN)))
    return " ".join(shown.split()).strip(": ") or "?"


def _distinct(names: Sequence[str]) -> Iterator[str]:
    """Yield names for test ids; a name that is used already, or reserved, gets a number."""
    used = Counter({_STATUS: 1})
    for name in map(_name, names):
        used[name] += 1
        yield name if used[name] == 1 else f"{name} ({used[name]})"


def _failed_check(run: NotebookRun, step: StepRecord, host: HostRecord, check: Check) -> str:
    lines = [
        f"expected {_line(check.expected)}, observed {_line(check.observed)}",
        f"check {check.name!r}, {_place(step, host)}; the commands are in {_STATUS!r} of the same host",
        _evidence(run),
    ]
    return for_log("\n".join(lines))


def _card(run: NotebookRun, step: StepRecord, host: HostRecord) -> str:
    """Return what the step's card in the notebook shows for this host."""
    message = host.message or "no reason given"
    first, _, rest = message.partition("\n")
    headline = first if host.status is Status.FAILED else f"{host.status}: {first}"
    quoted = "\n".join(f"  | {line}" for line in rest.splitlines())
    lines = [headline, quoted, _place(step, host), first_line(host.operation)]
    lines += [
        f"{SYMBOLS[Status.OK if check.holds else Status.FAILED]} {check.name}: "
        f"expected {_line(check.expected)}, observed {_line(check.observed)}"
        for check in host.checks
    ]
    hidden = len(host.commands) - _COMMANDS
    lines += [f"… {hidden} commands before these are in the report …"] if hidden > 0 else []
    shown = host.commands[-_COMMANDS:]
    for command in shown:
        lines += _command(command, whole=not command.accepted or command is shown[-1])
    lines.append(_evidence(run))
    return for_log("\n".join(filter(None, lines)))


def _command(command: CommandRecord, *, whole: bool) -> Iterator[str]:
    yield f"$ {shown_command(command.text)}"
    if whole:
        for output in (command.stdout, command.stderr):
            lines = stream(output).splitlines()
            hidden = len(lines) - _LINES
            if hidden > 0:
                yield f"  | … {hidden} lines before these are in the report …"
            yield from (f"  | {line}" for line in lines[-_LINES:])
    yield f"  [{exit_summary(command)}]"


def _place(step: StepRecord, host: HostRecord) -> str:
    target = f" ({host.address})" if host.address else ""
    return f"step {step.number} {step.title!r} on {host.host}{target}"


def _line(text: str) -> str:
    """Return a text on one line."""
    return repr(text) if "\n" in text else text


def _evidence(run: NotebookRun) -> str:
    return f"evidence: {run.directory} ({JOURNAL}, {HTML_REPORT})" if run.directory else ""
