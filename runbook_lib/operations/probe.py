"""Probes that prove that something works; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.facts.answer import Answer
from runbook_lib.facts.interfaces import Reachable, require_address
from runbook_lib.masking import excerpt
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Answers", "Pings", "Responds", "answers", "pings", "responds"]

_TIMEOUT = "5"  # seconds a program may take to answer; a broken hop must not hang the run


@dataclass(frozen=True)
class Answers(Probe):
    """A program, run on the host or in one of its containers, prints the expected answer.

    Args:
        what: The check's name: it should say what is proven.
        argv: Program and arguments.
        expect: The whole answer, without surrounding white space.
        container: Run it in this container with `docker exec`.
        stdin: Text for its standard input.
        id: The check's id, as `hop.2`.
    """

    what: str
    argv: tuple[str, ...]
    expect: str
    container: str | None = None
    stdin: str | None = None
    id: str = field(default="probe.answer", repr=False)

    @property
    def settle(self) -> float:
        """A program that was just started may need some seconds to answer."""
        return 10.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the answer."""
        return (self._answer,)

    def verify(self, facts: Facts) -> list[Check]:
        """Check the answer."""
        answered = facts[self._answer]
        observed = answered.text or f"nothing (exit code {answered.exit_code})"
        return [Check(self.what, self.expect, excerpt(observed, 200), answered.text == self.expect, self.id)]

    @property
    def _answer(self) -> Answer:
        inside = (
            ("docker", "exec", *(("-i",) if self.stdin else ()), self.container) if self.container else ()
        )
        return Answer(argv=("timeout", _TIMEOUT, *inside, *self.argv), stdin=self.stdin)


@dataclass(frozen=True)
class Pings(Probe):
    """An address answers a ping from a container.

    Args:
        container: The container that pings.
        address: IPv4 address; empty if not known (yet): then the check does not hold.
        what: What the address belongs to.
    """

    container: str
    address: str
    what: str

    def __post_init__(self) -> None:
        """Refuse what is not an address: it may come from another host."""
        if self.address:
            require_address(self.address)

    @property
    def settle(self) -> float:
        """A bridge with a new port may lose the first packets."""
        return 10.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the ping's output; an unknown address is not pinged."""
        return (self._answer,) if self.address else ()

    def verify(self, facts: Facts) -> list[Check]:
        """Check that a reply arrived."""
        name = f"{self.container} reaches {self.what} at {self.address or 'an unknown address'}"
        if not self.address:
            return [Check(name, "a reply", "no address to ping", holds=False, id="probe.ping")]
        answered = facts[self._answer]
        if answered.exit_code == 0:
            return [Check(name, "a reply", "a reply", holds=True, id="probe.ping")]
        last = answered.text.splitlines()[-1:] or [f"exit code {answered.exit_code}"]
        return [Check(name, "a reply", f"no reply: {excerpt(last[0], 200)}", holds=False, id="probe.ping")]

    @property
    def _answer(self) -> Answer:
        ping = ("ping", "-n", "-c", "2", "-i", "0.3", "-W", "2", "--", self.address)
        return Answer(argv=("timeout", _TIMEOUT, "docker", "exec", self.container, *ping))


@dataclass(frozen=True)
class Responds(Probe):
    """An address answers a ping from the host itself.

    Args:
        address: IPv4 address.
        what: What the address belongs to.
    """

    address: str
    what: str

    def facts(self) -> Sequence[Fact[Any]]:
        """Return whether it answers."""
        return (Reachable(self.address),)

    def verify(self, facts: Facts) -> list[Check]:
        """Check that it answers."""
        observed = "a reply" if facts[Reachable(self.address)] else "no reply"
        return [Check.equal(f"ping to {self.what} at {self.address}", "a reply", observed, "probe.responds")]


answers = Answers
pings = Pings
responds = Responds
