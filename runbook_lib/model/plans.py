"""What an operation means to do, and what it checks: checks, changes, plans."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook_lib.model.commands import Command

__all__ = ["Change", "Check", "NetworkGuard", "Plan", "Reboot"]


@dataclass(frozen=True)
class Check:
    """Something expected against what was observed."""

    name: str
    expected: str
    observed: str
    holds: bool

    @classmethod
    def equal(cls, name: str, expected: object, observed: object) -> Check:
        """Make a check that holds when both sides are equal."""
        return cls(name, str(expected), str(observed), expected == observed)


@dataclass(frozen=True)
class Change:
    """What a plan changes on a host, before and after, for the reader.

    Args:
        what: A file's path or another thing's name.
    """

    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class NetworkGuard:
    """A change that may cut the network, put back by the host itself unless it is confirmed.

    Args:
        arm: Commands before the change: keep the old state, start the timer on the host.
        confirm: Commands over a new connection, once the checks hold.
        revert: Commands that put the old state back at once, where the host can still be reached.
        timeout: Seconds after which the host reverts by itself.
    """

    arm: tuple[Command, ...]
    confirm: tuple[Command, ...]
    revert: tuple[Command, ...]
    timeout: float


@dataclass(frozen=True)
class Reboot:
    """What goes around a plan whose commands reboot the host.

    Args:
        arm: Commands before the reboot, as the one-shot boot entry of a trial.
        confirm: Commands over a new connection, once the checks hold on the rebooted host.
        abandon: Commands that take back what `arm` left, where the checks do not hold.
        later: Names of the checks that hold only once confirmed.
        way_back: What brings an unreachable host back, for the messages.
        deadline: Seconds from the reboot until the host must answer with a new boot id.
        begun: Units that failed before a reboot that an earlier run began and did not confirm: the host is not
            rebooted again, only checked and confirmed. None: it is rebooted.
    """

    arm: tuple[Command, ...] = ()
    confirm: tuple[Command, ...] = ()
    abandon: tuple[Command, ...] = ()
    later: tuple[str, ...] = ()
    way_back: str = ""
    deadline: float = 600.0
    begun: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Plan:
    """Commands that bring a host from its facts to the desired state; none: it is there already."""

    commands: tuple[Command, ...] = ()
    changes: tuple[Change, ...] = ()
    rollback: tuple[Command, ...] = ()
    guard: NetworkGuard | None = field(default=None)
    reboot: Reboot | None = field(default=None)
