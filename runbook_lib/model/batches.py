"""Hosts divided into batches, which a run works on one after another. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from runbook_lib.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["FIRST", "THEN", "Batch", "BatchSize", "Size", "batch_size", "divide"]

Size = int | str
"""A number of hosts, or a percentage such as `25%` of the hosts that are divided."""

FIRST: Size = 1
"""Size of the first batch, unless the runbook says otherwise: what goes wrong goes wrong on one host."""
THEN: Size = "25%"
"""Size of the batches after the first."""

_PERCENTAGE = re.compile(r"([0-9]{1,3})%")
_HINT = 'give a number of hosts from 1, or a percentage from "1%" to "100%"'


@dataclass(frozen=True)
class Batch:
    """Some of a run's hosts. Every method with an argument `hosts` takes a batch there.

    `str(batch)` is a pattern: the names of the hosts, separated by commas.

    Args:
        number: Its number, from 1.
        of: How many batches there are.
        hosts: Names of its hosts, in the inventory's order.
    """

    number: int
    of: int
    hosts: tuple[str, ...]

    def __str__(self) -> str:
        return ",".join(self.hosts)

    def __len__(self) -> int:
        return len(self.hosts)

    def __iter__(self) -> Iterator[str]:
        return iter(self.hosts)

    @property
    def title(self) -> str:
        """The batch in words, for messages: `batch 2 of 4 (web-2, web-3)`."""
        return f"batch {self.number} of {self.of} ({', '.join(self.hosts)})"


def batch_size(value: Size, total: int, argument: str) -> int:
    """Return how many hosts a size stands for; a percentage is rounded down, but is never less than one host.

    Args:
        value: The size.
        total: How many hosts are divided.
        argument: The name of the argument, for the message.

    Raises:
        ParameterError: The size is not a whole number from 1, or not a percentage from 1% to 100%.
    """
    match = _PERCENTAGE.fullmatch(value) if isinstance(value, str) else None
    if match and 1 <= int(match[1]) <= 100:  # noqa: PLR2004 - percent
        return max(1, total * int(match[1]) // 100)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ParameterError(f"{argument}={value!r} is not a size of a batch", hint=_HINT)


def _is_size(value: Size) -> Size:
    try:
        batch_size(value, 1, "value")
    except ParameterError as problem:
        raise ValueError(f"not a size of a batch: {problem.hint}") from problem
    return value


BatchSize = Annotated[Size, AfterValidator(_is_size)]
"""A parameter that is the size of a batch."""


def divide(hosts: Sequence[str], first: Size, then: Size, max_failed: int = 0) -> list[Batch]:
    """Divide hosts into batches, in their order.

    Args:
        hosts: Names of the hosts.
        first: Size of the first batch.
        then: Size of each further batch; the last one may be smaller.
        max_failed: How many hosts of a batch may fail before the others are left alone.

    Raises:
        ParameterError: There are no hosts, a size is wrong, or more hosts of a batch may fail than it has.
    """
    if not hosts:
        raise ParameterError("there are no hosts to divide into batches", hint="widen the parameter `hosts`")
    sizes = [batch_size(first, len(hosts), "first"), batch_size(then, len(hosts), "then")]
    if not isinstance(max_failed, int) or isinstance(max_failed, bool) or max_failed < 0:
        raise ParameterError(
            f"max_failed={max_failed!r} is not a number of hosts", hint="give a whole number from 0"
        )
    smallest = min(sizes if len(hosts) > sizes[0] else sizes[:1])
    if max_failed > smallest:
        raise ParameterError(
            f"max_failed={max_failed} is larger than a batch of {smallest}: no number of failures would stop it",
            hint="give at most the number of hosts of the smallest batch",
        )
    parts = [tuple(hosts[: sizes[0]])]
    parts += [tuple(hosts[start : start + sizes[1]]) for start in range(sizes[0], len(hosts), sizes[1])]
    return [Batch(number, len(parts), part) for number, part in enumerate(parts, start=1)]
