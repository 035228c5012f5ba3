"""The point in time by which a step or a run must be finished."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from runbook_lib.errors import DeadlinePassed

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Deadline", "earliest"]


@dataclass(frozen=True)
class Deadline:
    """A point in time, and the parameter that set it.

    Args:
        parameter: The name of that parameter.
        seconds: The parameter's value.
        at: Monotonic time.
        extension: Seconds by which the deadline was extended, to leave the host in order.
    """

    parameter: Literal["step_timeout", "run_timeout"]
    seconds: float
    at: float
    extension: float = 0.0

    @classmethod
    def from_now(
        cls, parameter: Literal["step_timeout", "run_timeout"], seconds: float | None
    ) -> Deadline | None:
        """Return the deadline that a parameter sets; None if the parameter is not set."""
        return cls(parameter, seconds, time.monotonic() + seconds) if seconds is not None else None

    @property
    def left(self) -> float:
        """Seconds until the deadline; 0 once it has passed."""
        return max(0.0, self.at - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether the deadline has passed."""
        return not self.left

    def extended(self, seconds: float) -> Deadline:
        """Return this deadline, later: seconds from now, or from the deadline if that is still to come."""
        return replace(self, at=max(self.at, time.monotonic()) + seconds, extension=seconds)

    def __str__(self) -> str:
        extension = f", and {self.extension:g} s more," if self.extension else ""
        return f"{self.parameter} of {self.seconds:g} s{extension}"

    @property
    def message(self) -> str:
        """The text for messages once the deadline has passed."""
        return f"the {self} has passed"

    def error(self, what: str, where: str | None) -> DeadlinePassed:
        """Return the error for work that the deadline cut short."""
        return DeadlinePassed(
            what if self.message in what else f"{what}: {self.message}",
            where=where,
            hint=f"find out what takes so long, or raise {self.parameter}, then run again: "
            "steps already in the desired state report ok",
        )


def earliest(deadlines: Iterable[Deadline | None]) -> Deadline | None:
    """Return the earliest deadline; None if there are none."""
    return min((one for one in deadlines if one), key=lambda one: one.at, default=None)
