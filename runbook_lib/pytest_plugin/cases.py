"""A run as test cases: a path of names, what came out, and the text that says why. No pytest here.

Every step on every host has a case `status`, however many checks tell of it too: checks come and go with
how far a step got, and a case that is looked for again (`--lf`) must still be there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runbook_lib.model.status import SYMBOLS, Status
from runbook_lib.report.safe_text import ending, stream, visible
from runbook_lib.report.summary import BAD, first_line, of_run, troubles

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runbook_lib.model.plans import Check
    from runbook_lib.model.records import CommandRecord, HostRecord, StepRecord
    from runbook_lib.pytest_plugin.notebook_run import Ran

__all__ = ["END", "Case", "cases", "end"]

END = "the run ended"
"""Name of the case that is red where a run did not end well outside of any step."""

_STATUS = "status"
_COMMANDS = 20  # commands of a step on a host that a failure shows; the report has all
_LINES = 20  # lines of an output that a failure shows; the report has all
# `::` and `[` divide pytest's own test ids.
_PLAIN = str.maketrans({"[": "(", "]": ")", "\n": " ", "\t": " "})


@dataclass(frozen=True)
class Case:
    """One test case.

    Args:
        path: Names from the outermost: step, host, what is told.
        result: What pytest shall make of it.
        text: Why it failed or was skipped.
        seconds: How long it took in the run; None: nothing of its own.
    """

    path: tuple[str, ...]
    result: Literal["passed", "failed", "skipped"]
    text: str = ""
    seconds: float | None = None


def cases(ran: Ran) -> Iterator[Case]:
    """Yield the cases of a run; the last one is its end."""
    for step in ran.record.steps if ran.record else ():
        for host in step.hosts:
            yield from _host(ran, step, host)
    yield end(ran)


def end(ran: Ran) -> Case:
    """Return the case that says whether the run came to its end; red steps have cases of their own."""
    run = ran.record
    if run is None:
        return Case(
            (END,), "failed", f"no record of it: {ran.problem or 'nothing was told'}\n{_evidence(ran)}"
        )
    if run.incomplete or (run.status in BAD and not troubles(run)):
        told = of_run(run)
        why = f"{run.status}: {told.headline}: {told.sentence}"
        return Case((END,), "failed", "\n".join(filter(None, (why, ran.problem, _evidence(ran)))))
    if ran.problem and run.status not in BAD:
        return Case((END,), "failed", f"{run.status}, but: {ran.problem}\n{_evidence(ran)}")
    if run.status is Status.SKIPPED:
        return Case((END,), "skipped", of_run(run).sentence)
    return Case((END,), "passed")


def _host(ran: Ran, step: StepRecord, host: HostRecord) -> Iterator[Case]:
    place = (_name(f"step {step.number} {step.title}"), _name(host.host))
    seconds = (host.ended - host.started).total_seconds() if host.started and host.ended else None
    if host.status is Status.SKIPPED:
        reason = " ".join(host.message.split()) or "no reason was told"
        yield Case((*place, _STATUS), "skipped", visible(reason), seconds)
        return
    good = host.status not in BAD
    card = "" if good else _card(ran, step, host)
    yield Case((*place, _STATUS), "passed" if good else "failed", card, seconds)
    for name, check in zip(_distinct([check.name for check in host.checks]), host.checks, strict=True):
        broken = "" if check.holds else _broken(ran, step, host, check)
        yield Case((*place, name), "passed" if check.holds else "failed", broken)


def _name(text: str) -> str:
    """Return a text as one part of a test id."""
    return " ".join(visible(text.translate(_PLAIN).replace("::", ": :")).split()) or "?"


def _distinct(names: Sequence[str]) -> Iterator[str]:
    """Yield names for a test id; one that was there before, or is taken by us, gets a number."""
    seen = Counter({_STATUS: 1})
    for name in map(_name, names):
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} ({seen[name]})"


def _broken(ran: Ran, step: StepRecord, host: HostRecord, check: Check) -> str:
    lines = [
        f"expected {_line(check.expected)}, observed {_line(check.observed)}",
        f"check {check.name!r}, {_place(step, host)}; {_STATUS!r} beside it tells the commands",
        _evidence(ran),
    ]
    return visible("\n".join(lines))


def _card(ran: Ran, step: StepRecord, host: HostRecord) -> str:
    """Return what the step's card in the notebook says of this host."""
    message = host.message or "no reason was told"
    first, _, rest = message.partition("\n")
    headline = first if host.status is Status.FAILED else f"{host.status}: {first}"
    lines = [headline, rest, _place(step, host), first_line(host.operation)]
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
    lines.append(_evidence(ran))
    return visible("\n".join(filter(None, lines)))


def _command(command: CommandRecord, *, whole: bool) -> Iterator[str]:
    yield f"$ {command.text}"
    if whole:
        for told in (command.stdout, command.stderr):
            lines = stream(told).splitlines()
            hidden = len(lines) - _LINES
            if hidden > 0:
                yield f"  | … {hidden} lines before these are in the report …"
            yield from (f"  | {line}" for line in lines[-_LINES:])
    yield f"  [{ending(command)}]"


def _place(step: StepRecord, host: HostRecord) -> str:
    target = f" ({host.address})" if host.address else ""
    return f"step {step.number} {step.title!r} on {host.host}{target}"


def _line(text: str) -> str:
    """Return a text so that its lines do not break ours."""
    return repr(text) if "\n" in text else text


def _evidence(ran: Ran) -> str:
    return f"evidence: {ran.directory} (journal.jsonl, report.html)" if ran.directory else ""
