"""When a step or a run must be over."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runbook_lib.errors import DeadlinePassed

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Deadline", "soonest"]


@dataclass(frozen=True)
class Deadline:
    """A point in time, and the parameter that set it.

    Args:
        parameter: Which.
        seconds: Its value.
        at: Monotonic time.
    """

    parameter: Literal["step_timeout", "run_timeout"]
    seconds: float
    at: float

    @classmethod
    def from_now(
        cls, parameter: Literal["step_timeout", "run_timeout"], seconds: float | None
    ) -> Deadline | None:
        """Return the deadline that a parameter sets; None where it sets none."""
        return cls(parameter, seconds, time.monotonic() + seconds) if seconds is not None else None

    @property
    def left(self) -> float:
        """Seconds that are left; never less than none."""
        return max(0.0, self.at - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether it has passed."""
        return not self.left

    def __str__(self) -> str:
        return f"{self.parameter} of {self.seconds:g} s"

    @property
    def over(self) -> str:
        """What is told once it has passed."""
        return f"the {self} has passed"

    def error(self, what: str, where: str | None) -> DeadlinePassed:
        """Return the error that tells what it cut short."""
        return DeadlinePassed(
            what if self.over in what else f"{what}: {self.over}",
            where=where,
            hint=f"see what takes so long, or raise {self.parameter}; steps that are right already say ok",
        )


def soonest(deadlines: Iterable[Deadline | None]) -> Deadline | None:
    """Return the deadline that comes first; None of none."""
    return min((one for one in deadlines if one), key=lambda one: one.at, default=None)
