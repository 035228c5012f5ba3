"""Operations with real effects on this machine, and runs made of them.

Run as a program it is a runbook's process for tests that interrupt or kill it:
`python -m tests.runbook.practice DIRECTORY SECONDS`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from runbook_lib import Runbook
from runbook_lib.errors import FactError, FactUnavailable, PlanRefused
from runbook_lib.evidence.reader import read_journal
from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output
from runbook_lib.model.plans import Change, Check, NetworkGuard, Plan
from runbook_lib.operations.base import Operation
from runbook_lib.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Facts
    from runbook_lib.model.records import HostRecord, StepRecord

__all__ = [
    "Content",
    "Does",
    "Holds",
    "Late",
    "Practice",
    "Token",
    "assert_journal_agrees",
    "hello",
    "on_a",
    "parameters",
    "statuses",
]


class Practice(Parameters):
    runbook: ClassVar[str] = "10_practice"
    title: ClassVar[str] = "Practice"


@dataclass(frozen=True)
class Content(Fact[str | None]):
    """A file's text; None if the file does not exist."""

    path: str

    def request(self) -> Command:
        return Command(("cat", self.path), accept=(0, 1))

    def parse(self, output: Output) -> str | None:
        return output.stdout if output.exit_code == 0 else None


@dataclass(frozen=True)
class Token(Fact[str]):
    """The token in a file, which the host shows and says that it is one."""

    path: str

    def request(self) -> Command:
        return Command(("cat", self.path), secret_output="token")  # noqa: S106 - its name

    def parse(self, output: Output) -> str:
        return output.stdout.strip()


@dataclass(frozen=True)
class Malformed(Fact[int]):
    """A number that is none."""

    text: str

    def request(self) -> Command:
        return Command(("echo", self.text))

    def parse(self, output: Output) -> int:
        if not output.stdout.strip().isdigit():
            raise FactError(f"{self.label}: no number")
        return int(output.stdout)


@dataclass(frozen=True)
class Coming(Content):
    """As `Content`, of a file that the first look for it makes appear."""

    def request(self) -> Command:
        script = 'cat "$1" || { echo there > "$1"; exit 1; }'
        return Command(("sh", "-c", script, "sh", self.path), accept=(0, 1))


@dataclass(frozen=True)
class Needed(Fact[str]):
    """The text of such a file, from a subsystem that exists once the file does."""

    path: str

    def request(self) -> Command:
        return Coming(self.path).request()

    def parse(self, output: Output) -> str:
        if output.exit_code != 0:
            raise FactUnavailable("not there yet")
        return output.stdout

    def absent(self) -> str:
        return ""


@dataclass(frozen=True)
class Holds(Operation):
    """A file holds a text.

    Args:
        path: The file.
        text: What it holds.
        then: Command that is run after the file is written; if it fails, the old text is restored.
        written: The text that is actually written.
        settle_within: Seconds that the check may take to hold.
        guarded: Reverted unless confirmed, like a network change.
    """

    path: str
    text: str
    then: tuple[str, ...] = ("true",)
    written: str | None = None
    undo: tuple[str, ...] = ("true",)
    settle_within: float = 0.0
    guarded: bool = False

    @property
    def settle(self) -> float:
        return self.settle_within

    def facts(self) -> Sequence[Fact[Any]]:
        return (Content(self.path),)

    def plan(self, facts: Facts) -> Plan:
        before = facts[Content(self.path)]
        if before == self.text:
            return Plan()
        commands = (
            Command(("tee", self.path), stdin=self.written or self.text, purpose="write the file"),
            Command(self.then),
        )
        change = Change(self.path, before, self.text)
        if not self.guarded:
            back = (
                Command(("tee", self.path), stdin=before)
                if before is not None
                else Command(("rm", self.path))
            )
            return Plan(commands, (change,), rollback=(Command(self.undo, accept=(0,)), back))
        kept = f"{self.path}.kept"
        return Plan(
            commands,
            (change,),
            guard=NetworkGuard(
                arm=(Command(("cp", self.path, kept)),),
                confirm=(Command(("rm", kept)),),
                revert=(Command(("mv", kept, self.path)),),
                timeout=2.0,
            ),
        )

    def verify(self, facts: Facts) -> list[Check]:
        return [Check.equal("content", self.text, facts[Content(self.path)])]


@dataclass(frozen=True)
class Does(Operation):
    """A command runs each time."""

    argv: tuple[str, ...]
    timeout: float = 60.0
    stdin: str | None = None

    @property
    def verifiable(self) -> bool:
        return False

    def facts(self) -> Sequence[Fact[Any]]:
        return ()

    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - always the command
        return Plan((Command(self.argv, timeout=self.timeout, stdin=self.stdin),))

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - another exit code failed before
        return [Check.equal("exit code", 0, 0)]


@dataclass(frozen=True)
class Late(Operation):
    """A file appears only after its first check, or never.

    Args:
        path: The file.
        settle_within: Seconds that the check may take to hold.
        comes: Whether it appears.
        needed: Whether without the file there is no fact.
    """

    path: str
    settle_within: float
    comes: bool = True
    needed: bool = False

    @property
    def settle(self) -> float:
        return self.settle_within

    @property
    def _fact(self) -> Fact[Any]:
        if self.needed:
            return Needed(self.path)
        return Coming(self.path) if self.comes else Content(self.path)

    def facts(self) -> Sequence[Fact[Any]]:
        # The fact is only read once the file has been requested.
        return (
            Content(f"{self.path}.asked"),
            *((self._fact,) if Path(f"{self.path}.asked").exists() else ()),
        )

    def plan(self, facts: Facts) -> Plan:
        if facts[Content(f"{self.path}.asked")]:
            return Plan()
        return Plan((Command(("sh", "-c", f"echo yes > {self.path}.asked")),))

    def verify(self, facts: Facts) -> list[Check]:
        text = facts[self._fact] if facts[Content(f"{self.path}.asked")] else None
        return [Check.equal("late", "there\n", text)]


@dataclass(frozen=True)
class Refuses(Operation):
    """Its plan is refused, or has a defect."""

    defect: bool = False

    def facts(self) -> Sequence[Fact[Any]]:
        return ()

    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - refused whatever the facts
        if self.defect:
            raise ZeroDivisionError("a defect")
        raise PlanRefused("it would do harm", hint="do something else")

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - nothing is checked
        return []


def parameters(place: Path, **given: Any) -> Practice:  # noqa: ANN401 - any parameter
    """Parameters of a run with two local hosts, every file below `place`."""
    inventory = place / "inventory.yml"
    if not inventory.exists():
        inventory.write_text(
            "hosts:\n  host-a: {connection: local}\n  host-b: {connection: local}\n", encoding="utf-8"
        )
    defaults = {"inventory": str(inventory), "hosts": "all", "runs": str(place / "runs")}
    return Practice.model_validate({**defaults, **given})


def statuses(step: StepRecord) -> list[str]:
    return [host.status.value for host in step.hosts]


def on_a(step: StepRecord) -> HostRecord:
    return next(host for host in step.hosts if host.host == "host-a")


def hello(place: Path, host: str) -> Holds:
    return Holds(str(place / host), f"hello from {host}\n")


def assert_journal_agrees(book: Runbook) -> None:
    record = read_journal(book.directory)
    assert record == book.record
    assert record.incomplete == ""


def main(place: Path, seconds: str) -> None:
    book = Runbook.open(parameters(place))
    book.step("First", lambda host: Holds(str(place / host.name), "first\n"))
    book.step("Wait", lambda host: Does(("sleep", seconds if host.name == "host-a" else "0")))
    book.step("Never", lambda host: Holds(str(place / f"{host.name}.never"), "never\n"))
    book.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
