"""Probes that prove that something works; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError
from runbook_lib.facts.answer import TIMED_OUT, Answered, answer_within
from runbook_lib.facts.interfaces import Reachable, require_address
from runbook_lib.masking import excerpt
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.answer import Answer
    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Answers", "Fails", "Pings", "Responds", "answers", "fails", "pings", "responds"]

_TIMEOUT = 5  # seconds a program may take to answer; a broken hop must not hang the run


@dataclass(frozen=True)
class Answers(Probe):
    """A program, run on the host or in one of its containers, prints the expected answer.

    Args:
        what: The check's name: it should say what is proven.
        argv: Program and arguments.
        expect: The whole answer, without surrounding white space. A program that must print nothing must also exit with
            0 in time: silence alone is what one that hangs or breaks off has as well.
        container: Run it in this container with `docker exec`; its image must have `timeout`.
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
        observed = answered.text or _silent(answered, _TIMEOUT)
        holds = answered.text == self.expect and (bool(self.expect) or answered.exit_code == 0)
        expected = self.expect or _silent(Answered(0, ""), _TIMEOUT)
        return [Check(self.what, expected, excerpt(observed, 200), holds, self.id)]

    @property
    def _answer(self) -> Answer:
        return answer_within(_TIMEOUT, self.argv, self.container, self.stdin)


@dataclass(frozen=True)
class Fails(Probe):
    """An expected failure: a program, run on the host or in one of its containers, fails, and for a known reason.

    The reason keeps a program that could not even be started from passing for one that failed as it should.

    Args:
        what: The check's name: it should say what is shown not to work.
        argv: Program and arguments.
        reasons: Parts of what the program may print, one of which it must print; `no answer` if it may hang.
        container: Run it in this container with `docker exec`; its image must have `timeout`.
        seconds: How long it may take to answer.
        id: The check's id.

    Raises:
        ParameterError: A reason is empty: every failure would have it.
    """

    what: str
    argv: tuple[str, ...]
    reasons: tuple[str, ...]
    container: str | None = None
    seconds: int = 5
    id: str = field(default="probe.fails", repr=False)

    def __post_init__(self) -> None:
        """Refuse reasons that any failure has."""
        if not self.reasons or not all(self.reasons):
            raise ParameterError(
                "the program's reason to fail is empty",
                where=f"probe.fails({self.what!r})",
                hint='give a part of what it prints, as "Connection refused"',
            )

    @property
    def settle(self) -> float:
        """What was just stopped or cut off may answer for another moment."""
        return 10.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the answer."""
        return (self._answer,)

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the program failed, and why."""
        answered = facts[self._answer]
        text = answered.text or _silent(answered, self.seconds)
        if answered.exit_code in TIMED_OUT:
            text = _silent(answered, self.seconds)
        known = any(reason in text for reason in self.reasons)
        holds = answered.exit_code != 0 and known
        # A container that does not exist must not read like the failure that is expected.
        how = "succeeds" if answered.exit_code == 0 else "fails" if known else "fails for another reason"
        observed = f"{how}: {text}"
        expected = f"fails: {' or '.join(self.reasons)}"
        return [Check(self.what, expected, excerpt(observed, 200), holds, self.id)]

    @property
    def _answer(self) -> Answer:
        return answer_within(self.seconds, self.argv, self.container)


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
        lines = [] if answered.exit_code in TIMED_OUT else answered.text.splitlines()
        last = lines[-1:] or [_silent(answered, _TIMEOUT)]
        return [Check(name, "a reply", f"no reply: {excerpt(last[0], 200)}", holds=False, id="probe.ping")]

    @property
    def _answer(self) -> Answer:
        ping = ("ping", "-n", "-c", "2", "-i", "0.3", "-W", "2", "--", self.address)
        return answer_within(_TIMEOUT, ping, self.container)


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


def _silent(answered: Answered, seconds: int) -> str:
    """Return what to say of a program that has printed nothing, or not in time."""
    in_time = answered.exit_code not in TIMED_OUT
    return f"nothing (exit code {answered.exit_code})" if in_time else f"no answer within {seconds} s"


answers = Answers
fails = Fails
pings = Pings
responds = Responds
