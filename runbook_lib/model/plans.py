"""What an operation intends to do and what it verifies: plans, changes, checks."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from runbook_lib.model.commands import Command

__all__ = ["Change", "Check", "NetworkGuard", "NewIdentity", "Plan", "Reboot", "in_words"]


@dataclass(frozen=True)
class Check:
    """An expected value compared with the observed one.

    Args:
        name: For people; it may name hosts, addresses and values, and may be reworded.
        id: For programs, as `bridge.port`: it stays the same from run to run. `hop.1`, `hop.2`, … are the links of
            a path, counted from its server. Empty in evidence from before there were ids.
    """

    name: str
    expected: str
    observed: str
    holds: bool
    id: str = ""

    @classmethod
    def equal(cls, name: str, expected: object, observed: object, id: str = "") -> Check:  # noqa: A002 - the field's name
        """Make a check that holds when both sides are equal; both are recorded in words: `yes`, `none`, `a, b`."""
        return cls(name, in_words(expected), in_words(observed), expected == observed, id)

    @property
    def hop(self) -> int | None:
        """Which link of a path it checks, by an id such as `hop.3`; None for all other checks."""
        number = self.id.removeprefix("hop.")
        return int(number) if number != self.id and number.isdecimal() else None


@dataclass(frozen=True)
class Change:
    """One change on a host, before and after, for the reader.

    Args:
        what: Path of the file, or the name of whatever else is changed.
    """

    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class NewIdentity:
    """A private key that a change authorizes: connections of the run may log in with it from then on.

    Args:
        account: The account on the host that it is for; other accounts do not use it.
        file: The private key's file on this machine.
    """

    account: str
    file: str


@dataclass(frozen=True)
class NetworkGuard:
    """A change that may cut the network or lock us out; the host itself rolls it back unless it is confirmed.

    `runbook_lib.operations.commit_confirm.GuardedChange` makes one.

    Args:
        arm: Commands before the change: save the old state, start the rollback timer on the host.
        confirm: Commands over a new connection, once the checks hold; sent again if their answer does not arrive.
        revert: Commands that restore the old state at once, if the host can still be reached.
        timeout: Seconds after which the host rolls back by itself.
        clean_up: Commands that remove what `arm` has left on the host, once the change is confirmed; or before it
            began, if a later command of `arm` fails.
        preflight: Commands before all others that judge the new state; if one fails, nothing was changed.
        identity: A private key that the change authorizes; the new connection may need it.
    """

    arm: tuple[Command, ...]
    confirm: tuple[Command, ...]
    revert: tuple[Command, ...]
    timeout: float
    clean_up: tuple[Command, ...] = ()
    preflight: tuple[Command, ...] = ()
    identity: NewIdentity | None = None


@dataclass(frozen=True)
class Reboot:
    """What surrounds a plan whose commands reboot the host.

    Args:
        arm: Commands before the reboot, for example to set a one-shot boot entry for a trial.
        confirm: Commands over a new connection, once the checks hold on the rebooted host.
        abandon: Commands that undo `arm` if the checks do not hold.
        only_after_confirm: Ids of the checks that can hold only after `confirm`.
        recovery: How to recover an unreachable host, for messages.
        deadline: Seconds from the reboot until the host must answer with a new boot id.
        failed_before_reboot: Set when an earlier run rebooted the host and did not confirm the reboot: the
            systemd units that had failed before it. The host is then not rebooted again, only checked and
            confirmed. None: the host is rebooted.
    """

    arm: tuple[Command, ...] = ()
    confirm: tuple[Command, ...] = ()
    abandon: tuple[Command, ...] = ()
    only_after_confirm: tuple[str, ...] = ()
    recovery: str = ""
    deadline: float = 600.0
    failed_before_reboot: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Plan:
    """Commands that bring a host from its current to its desired state; no commands: it is there already.

    Args:
        commands: In order.
        changes: What they change, for the reader.
        rollback: Commands that undo them: if the step fails, or a later one of the same transaction.
        guard: For a change that may cut the network.
        reboot: For commands that reboot the host.
        after_rollback: Commands for the time when this step and those before it were rolled back by a transaction,
            such as the reload of a service, which then reads the restored files.
    """

    commands: tuple[Command, ...] = ()
    changes: tuple[Change, ...] = ()
    rollback: tuple[Command, ...] = ()
    guard: NetworkGuard | None = field(default=None)
    reboot: Reboot | None = field(default=None)
    after_rollback: tuple[Command, ...] = ()

    @property
    def all_commands(self) -> tuple[Command, ...]:
        """Every command that may be sent for this plan, also those that undo it."""
        parts = [self, self.guard, self.reboot]
        values = [getattr(part, entry.name) for part in parts if part for entry in fields(part)]
        return tuple(
            one for value in values if isinstance(value, tuple) for one in value if isinstance(one, Command)
        )


def in_words(value: object) -> str:
    """Return a value as a reader expects it in a table: without Python's notation.

    >>> in_words({"ipv6": False, "dns": ["192.0.2.1", "192.0.2.2"]})
    'ipv6: no, dns: 192.0.2.1, 192.0.2.2'
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {in_words(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(in_words, value)) or "none"
    return "none" if value is None else str(value)
