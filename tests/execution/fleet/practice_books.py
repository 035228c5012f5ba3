"""Parameters, facts and operations of the runbooks that these tests write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from runbook_lib.errors import NotYet
from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output
from runbook_lib.model.plans import Check, NetworkGuard, Plan
from runbook_lib.operations.base import Operation, Probe
from runbook_lib.parameters import Parameters
from tests.runbook.practice import Content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Facts

__all__ = ["Asleep", "Awake", "Content", "First", "Held", "Lasting", "Other", "Second", "Third", "Written"]


class _Place(Parameters):
    place: str
    seconds: float = 0.0
    word: str = "well"


class First(_Place):
    runbook: ClassVar[str] = "10_first"
    title: ClassVar[str] = "The first"


class Other(_Place):
    runbook: ClassVar[str] = "15_other"
    title: ClassVar[str] = "Needs nothing"


class Second(_Place):
    runbook: ClassVar[str] = "20_second"
    title: ClassVar[str] = "Needs the first"


class Third(_Place):
    runbook: ClassVar[str] = "30_third"
    title: ClassVar[str] = "Needs the second"


_WHILE_THERE = 'while [ -e "$1" ]; do sleep 0.1; done'
"""For a shell with a path: also ends where the directory of a failed test is removed."""


@dataclass(frozen=True)
class Asleep(Fact[str]):
    """An answer that takes its time."""

    seconds: float

    def request(self) -> Command:
        return Command(("sleep", str(self.seconds)))

    def parse(self, output: Output) -> str:  # noqa: ARG002 - there is nothing to read
        return "slept"


@dataclass(frozen=True)
class Held(Fact[str]):
    """An answer that comes once a file is gone."""

    path: str

    def request(self) -> Command:
        return Command(("sh", "-c", _WHILE_THERE, "sh", self.path))

    def parse(self, output: Output) -> str:  # noqa: ARG002 - there is nothing to read
        return "gone"


@dataclass(frozen=True)
class Unconfirmed(Fact[bool]):
    """Whether a file may still be taken away; asked in the order in which its marker is renamed and removed."""

    awaited: ClassVar[bool] = True

    marker: str

    def request(self) -> Command:
        script = 'test -e "$1" || test -e "$1.gone"'
        return Command(("sh", "-c", script, "sh", self.marker), accept=(0, 1))

    def parse(self, output: Output) -> bool:
        return output.exit_code == 0


@dataclass(frozen=True)
class Awake(Probe):
    """A file holds a word; only looked at."""

    path: str
    word: str

    def facts(self) -> Sequence[Fact[Any]]:
        return (Content(self.path),)

    def verify(self, facts: Facts) -> list[Check]:
        return [Check.equal("word", self.word, (facts[Content(self.path)] or "nothing").strip())]


@dataclass(frozen=True)
class Written(Operation):
    """A file holds a word, written by several commands; each time adds a line to `FILE.times`.

    Args:
        path: The file.
        word: What it holds.
        seconds: How long the command in the middle takes.
        held_by: The command in the middle takes as long as this file is there, whatever `seconds` says.
        reverts: The host takes the file away by itself after so many seconds unless that is confirmed.
    """

    path: str
    word: str
    seconds: float = 0.0
    reverts: float = 0.0
    held_by: str = ""

    @property
    def _marker(self) -> str:
        return f"{self.path}.unconfirmed"

    @property
    def _pending(self) -> tuple[Unconfirmed, ...]:
        return (Unconfirmed(self._marker),) if self.reverts else ()

    def facts(self) -> Sequence[Fact[Any]]:
        return (*self._pending, Content(self.path))

    def plan(self, facts: Facts) -> Plan:
        if any(facts[fact] for fact in self._pending):
            raise NotYet("it is not confirmed", within=self.reverts, hint="wait")
        if facts[Content(self.path)] == self.word:
            return Plan()
        middle = (
            ("sh", "-c", _WHILE_THERE, "sh", self.held_by) if self.held_by else ("sleep", str(self.seconds))
        )
        commands = (
            Command(("sh", "-c", 'echo "$1" >> "$2.times"', "sh", self.word, self.path)),
            Command(middle),
            Command(("tee", self.path), stdin=self.word),
        )
        revert = 'mv "$2" "$2.gone" 2>/dev/null && rm -f "$1" "$2.gone"'
        timer = f'touch "$2"; (sleep {self.reverts}; {revert}) >/dev/null 2>&1 </dev/null &'
        guard = NetworkGuard(
            arm=(Command(("sh", "-c", timer, "sh", self.path, self._marker)),),
            confirm=(Command(("rm", self._marker)),),
            revert=(Command(("sh", "-c", f"{revert}; true", "sh", self.path, self._marker)),),
            timeout=self.reverts,
        )
        return Plan(commands, guard=guard if self.reverts else None)

    def verify(self, facts: Facts) -> list[Check]:
        return [Check.equal("word", self.word, facts[Content(self.path)])]


@dataclass(frozen=True)
class Lasting(Operation):
    """A command has run; later nothing shows whether it did. Each time adds a line to a file.

    Args:
        path: The file.
        seconds: How long the command takes.
        held_by: The command takes as long as this file is there.
    """

    path: str
    seconds: float = 0.0
    held_by: str = ""

    @property
    def verifiable(self) -> bool:
        return False

    def facts(self) -> Sequence[Fact[Any]]:
        return ()

    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - always the command
        script = f'{_WHILE_THERE}; sleep "$2"; echo ran >> "$3"'
        return Plan((Command(("sh", "-c", script, "sh", self.held_by, str(self.seconds), self.path)),))

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - another exit code failed before
        return [Check.equal("exit code", 0, 0)]
