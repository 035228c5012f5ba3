"""What a task shows below its step's card: right or not yet, the hints so far, and the solution last."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runbook_lib.display.cards import show_html
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.model.records import StepRecord

__all__ = ["show_task"]

_PREFIX = "not solved yet: "


class _Host(NamedTuple):
    """What a task says of one host."""

    name: str
    reason: str
    """Why it is not solved there; empty if it is."""


def show_task(step: StepRecord, tries: int, hints: Sequence[str], solution: str) -> None:
    """Show whether a task is solved, and why not; one hint more with each try, and the solution after the last one.

    Args:
        step: The task's step.
        tries: How often the task was checked, this time included.
        hints: All hints.
        solution: The answer.
    """
    hosts = [
        _Host(
            host.host,
            "" if host.status is Status.OK else host.message.partition(_PREFIX)[2] or host.message,
        )
        for host in step.hosts
    ]
    solved = step.status is Status.OK
    shown = [] if solved else list(hints[:tries])
    answer = solution if not solved and tries > len(hints) else ""
    lines = [_headline(step.title, tries, solved=solved)]
    lines += [f"  {host.name}: {host.reason}" for host in hosts if host.reason]
    lines += [f"  hint {number} of {len(hints)}: {hint}" for number, hint in enumerate(shown, start=1)]
    lines += [f"  solution: {answer}"] if answer else []
    show_html(
        "task.html.j2",
        "\n".join(lines),
        headline=lines[0],
        solved=solved,
        hosts=hosts,
        hints=shown,
        of=len(hints),
        solution=answer,
        further=not solved and not answer and bool(solution or len(hints) > len(shown)),
    )


def _headline(title: str, tries: int, *, solved: bool) -> str:
    if solved:
        return f"Solved: {title}" + (f" (after {tries} tries)" if tries > 1 else "")
    return f"Not solved yet: {title}"
