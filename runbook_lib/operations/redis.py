"""Keys in a redis, set and read through a client container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError
from runbook_lib.facts.answer import Answer, answer_within
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Key", "key"]

_TIMEOUT = 5  # seconds for one answer


@dataclass(frozen=True)
class Key(Operation):
    """A key has a value, as read from a client container.

    Args:
        container: The client container; it has redis-cli.
        server: Name or address of the redis for the client.
        port: TCP port.
        name: The key.
        value: Its value.

    Raises:
        ParameterError: The value is empty.
    """

    container: str
    server: str
    port: int
    name: str
    value: str

    def __post_init__(self) -> None:
        """Refuse an empty value, which reads like a key that is not there."""
        if not self.value:
            raise ParameterError(
                "the value is empty",
                where=f"redis.key({self.name!r})",
                hint="give the value that the key has",
            )

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the key's value."""
        return (self._answer,)

    def plan(self, facts: Facts) -> Plan:
        """Set the key if its value differs."""
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        command = Command(
            self._asked("SET", self.name, self.value).argv, sudo=True, timeout=30, purpose="set the key"
        )
        return Plan(commands=(command,))

    def verify(self, facts: Facts) -> list[Check]:
        """Check the value; what a client prints that has failed is not one."""
        answered = facts[self._answer]
        observed = f"unknown: {answered.failure}" if answered.failure else answered.text
        return [Check.equal(f"{self.name} read from {self.container}", self.value, observed, "redis.key")]

    @property
    def _answer(self) -> Answer:
        return self._asked("GET", self.name)

    def _asked(self, *words: str) -> Answer:
        client = ("redis-cli", "-h", self.server, "-p", str(self.port))
        return answer_within(_TIMEOUT, (*client, *words), self.container)


key = Key
