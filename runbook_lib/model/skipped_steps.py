"""Which steps of a run were skipped, and why: the same words on a terminal, in a notebook, in lists and in reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.model.records import HostRecord, StepRecord

__all__ = ["count_steps", "describe_skipped", "enumerate_words", "tally"]

_MOST_REASONS = 3


def count_steps(steps: Sequence[StepRecord], status: Status) -> int:
    """Return how many steps have a status on at least one host."""
    return sum(any(host.status is status for host in step.hosts) for step in steps)


def tally(statuses: Sequence[Status]) -> str:
    """Return how many steps have each status.

    >>> tally([Status.OK, Status.SKIPPED, Status.OK])
    '2 ok, 1 skipped'
    """
    return ", ".join(f"{statuses.count(status)} {status}" for status in Status if status in statuses)


def describe_skipped(steps: Sequence[StepRecord]) -> str:
    """Return which steps were skipped on which hosts, and why; empty if none was.

    Args:
        steps: All steps of the run.

    Returns:
        Such as `steps 2 and 4 of 8 were skipped on host-a and host-b: a container has no kernel of its own`.
    """
    found: dict[str, tuple[list[int], list[str]]] = {}
    for step in steps:
        for host in step.hosts:
            if host.status is Status.SKIPPED:
                numbers, reasons = found.setdefault(host.host, ([], []))
                numbers.append(step.number)
                reasons.append(_reason(host))
    alike: dict[tuple[tuple[int, ...], tuple[str, ...]], list[str]] = {}
    for name, (numbers, reasons) in found.items():
        alike.setdefault((tuple(numbers), tuple(dict.fromkeys(reasons))), []).append(name)
    return "; ".join(
        _describe(numbers, len(steps), hosts, reasons) for (numbers, reasons), hosts in alike.items()
    )


def enumerate_words(words: Sequence[str]) -> str:
    """Return words as in a sentence: `a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _describe(numbers: Sequence[int], total: int, hosts: Sequence[str], reasons: Sequence[str]) -> str:
    what, verb = ("step", "was") if len(numbers) == 1 else ("steps", "were")
    shown = [*reasons[:_MOST_REASONS]]
    if len(reasons) > _MOST_REASONS:
        shown.append(f"{len(reasons) - _MOST_REASONS} more reasons")
    return (
        f"{what} {enumerate_words([*map(str, numbers)])} of {total} {verb} skipped on {enumerate_words(hosts)}: "
        f"{'; '.join(shown)}"
    )


def _reason(host: HostRecord) -> str:
    return host.message.partition("\n")[0].removeprefix(f"{host.host}: ") or "no reason was recorded"
